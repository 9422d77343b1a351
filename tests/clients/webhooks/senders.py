"""The senders of the day: how each signs, with the library that it gives to its users where it has one, and what it expects."""

import base64
import datetime
import hashlib
import hmac
import time

import shapes
import standardwebhooks
import stripe
from hubspot.utils.signature import Signature

# The address of the server as senders know it, which is not where they reach it here: a proxy would stand between.
PUBLIC = "https://events.example.com"
JSON = {"content-type": "application/json"}


def named(**identifiers):
    """Who is named, by namespaces."""
    return [(namespace, str(value)) for namespace, value in identifiers.items()]


class Sender:
    """One sender: a source of its name, and a write key for that."""

    # Whether it shows anything but its write key.
    is_signed = True

    # How long it waits for an answer before it takes the post for lost, in seconds.
    limit = 5
    # How many things may stand in one post.
    most = 1
    # Whether it says when it signed.
    is_timed = False
    # What may happen, each with how often.
    kinds = {}

    def __init__(self, name, secret, preset=None):
        self.name, self.secret, self.preset, self.key = name, secret, name if preset is None else preset, None

    @property
    def path(self):
        """The path of its posts."""
        return f"/v1/webhooks/{self.key}"

    def definition(self):
        """The definition of its source."""
        return {"name": self.name, "webhook": {"preset": self.preset, "secret": self.secret}}

    def event(self, thing):
        """The name of the event that a thing is, and whom it names; nothing where no mapping is for it. It may name nobody."""
        raise NotImplementedError

    def body(self, things, attempt):
        """The body of a post about some things."""
        raise NotImplementedError

    def headers(self, things, body, secret, signed):
        """The headers of a post, signed at a time."""
        raise NotImplementedError

    def post(self, things, attempt=0, secret=None, ago=0):
        """A post about some things: headers and body, signed so many seconds ago."""
        body = self.body(things, attempt)
        return self.headers(things, body, secret or self.secret, int(time.time()) - ago), body

    def is_answer(self, answer):
        """Whether an answer tells this sender that its post was taken."""
        return 200 <= answer.status < 300


class HubSpot(Sender):
    """HubSpot, which signs method, address, body and time, and sends changes in lists."""

    most = 100
    is_timed = True
    kinds = {"contact.creation": 2, "contact.propertyChange": 6, "contact.deletion": 1, "deal.creation": 1}

    def definition(self):
        made = super().definition()
        made["webhook"]["public_url"] = PUBLIC
        return made

    def event(self, thing):
        if thing.kind == "deal.creation":
            return None
        is_email = thing.more.get("propertyName") == "email"
        return thing.kind, named(hubspot_id=thing.person.hubspot, **({"email": thing.person.email} if is_email else {}))

    def body(self, things, attempt):
        content = shapes.hubspot(things)
        for each in content:
            each["attemptNumber"] = attempt
        return shapes.body_of(content)

    def headers(self, things, body, secret, signed):
        stamp = str(signed * 1000)
        # The documented way to verify, by the library of HubSpot.
        signature = Signature.get_signature(secret, body.decode(), "v3", PUBLIC + self.path, "POST", stamp)
        return {**JSON, "x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": stamp}


class Shopify(Sender):
    """Shopify, which signs the body alone."""

    kinds = {"orders/create": 5, "customers/create": 2, "customers/update": 3, "products/update": 1}

    def event(self, thing):
        if thing.kind == "products/update":
            return None
        return thing.kind, named(shopify_id=thing.person.shopify, email=thing.person.email)

    def body(self, things, attempt):
        (thing,) = things
        of = {"orders": shapes.shopify_order, "customers": shapes.shopify_customer, "products": shapes.shopify_product}
        return shapes.body_of(of[thing.kind.partition("/")[0]](thing))

    def headers(self, things, body, secret, signed):
        (thing,) = things
        digest = hmac.digest(secret.encode(), body, hashlib.sha256)
        return {
            **JSON,
            "x-shopify-topic": thing.kind,
            "x-shopify-hmac-sha256": base64.b64encode(digest).decode(),
            "x-shopify-shop-domain": "happy.myshopify.com",
            "x-shopify-api-version": "2026-07",
            "x-shopify-webhook-id": f"b54557e4-bdd9-4b37-8a5f-{thing.number:012d}",
            "x-shopify-event-id": f"98880550-7158-44d4-b7cd-{thing.number:012d}",
            "x-shopify-triggered-at": shapes.iso(thing.time),
        }


class Stripe(Sender):
    """Stripe, which signs time and body."""

    limit = 10
    is_timed = True
    kinds = {"customer.created": 2, "invoice.paid": 5, "charge.failed": 1}

    def event(self, thing):
        if thing.kind == "charge.failed":
            return None
        return thing.kind, named(stripe_id=thing.person.stripe, email=thing.person.email)

    def body(self, things, attempt):
        (thing,) = things
        return shapes.body_of(shapes.stripe(thing))

    def headers(self, things, body, secret, signed):
        signature = stripe.WebhookSignature._compute_signature(f"{signed}.{body.decode()}", secret)
        # An old scheme stands beside, as it does in test mode.
        return {**JSON, "stripe-signature": f"t={signed},v1={signature},v0={'0' * 64}"}


class Intercom(Sender):
    """Intercom, which signs the body by SHA-1."""

    kinds = {"contact.user.created": 2, "contact.signed_up": 2, "contact.email.updated": 1, "ping": 1}

    def event(self, thing):
        if thing.kind == "ping":
            return None
        person = thing.person
        return thing.kind, named(intercom_id=person.intercom, user_id=person.user, email=person.email)

    def body(self, things, attempt):
        (thing,) = things
        return shapes.body_of(shapes.intercom(thing, attempt + 1))

    def headers(self, things, body, secret, signed):
        signature = hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
        return {**JSON, "x-hub-signature": f"sha1={signature}", "user-agent": "intercom-webhooks"}


class Standard(Sender):
    """Any sender that keeps to Standard Webhooks."""

    limit = 15
    is_timed = True
    kinds = {"invoice.sent": 12, "user.invited": 4, "site.down": 1}

    def event(self, thing):
        if thing.kind == "site.down":
            return thing.kind, []
        return thing.kind, named(user_id=thing.person.user, email=thing.person.email)

    def body(self, things, attempt):
        (thing,) = things
        who = {} if thing.kind == "site.down" else {"email": thing.person.email, "user_id": thing.person.user}
        data = {**who, "number": thing.number}
        return shapes.body_of({"type": thing.kind, "timestamp": shapes.iso(thing.time), "data": data})

    def headers(self, things, body, secret, signed):
        (thing,) = things
        name = f"msg_{thing.number:027d}"
        when = datetime.datetime.fromtimestamp(signed, datetime.timezone.utc)
        signature = standardwebhooks.Webhook(secret).sign(name, when, body.decode())
        return {**JSON, "webhook-id": name, "webhook-timestamp": str(signed), "webhook-signature": signature}


class OutboundMessages(Sender):
    """Outbound messages of Salesforce, which signs nothing: the key in the address is all that it shows."""

    limit = 60
    most = 100
    is_signed = False
    kinds = {"Contact": 1}

    def definition(self):
        return {"name": self.name, "webhook": {"preset": self.preset}}

    def event(self, thing):
        return thing.kind, named(salesforce_id=thing.person.salesforce, email=thing.person.email)

    def body(self, things, attempt):
        return shapes.outbound_message(things)

    def headers(self, things, body, secret, signed):
        return {"content-type": "text/xml; charset=utf-8", "soapaction": '""'}

    def is_answer(self, answer):
        return answer.status == 200 and b"<Ack>true</Ack>" in answer.body and "xml" in answer.headers["content-type"]


class Callouts(Sender):
    """HTTP callouts of Salesforce's flows: a named credential shows the write key."""

    limit = 60
    most = 10
    is_signed = False
    kinds = {"case_opened": 2, "case_closed": 1, "": 1}
    path = "/v1/webhooks"

    def definition(self):
        return {"name": self.name, "webhook": {"preset": self.preset}}

    def event(self, thing):
        return thing.kind or "Contact", named(salesforce_id=thing.person.salesforce, email=thing.person.email)

    def body(self, things, attempt):
        records = [shapes.record(thing) for thing in things]
        return shapes.body_of(records[0] if len(records) == 1 else records)

    def headers(self, things, body, secret, signed):
        return {**JSON, "authorization": f"Bearer {self.key}"}


class Generic(Sender):
    """A program of one's own: all is said in the definition."""

    limit = 10
    most = 50
    is_timed = True
    kinds = {"ticket bought": 3, "ticket returned": 1, "test": 1}

    def definition(self):
        signature = {
            "header": "X-Box-Office-Signature",
            "prefix": "sha512=",
            "hash": "SIGNATURE_HASH_SHA512",
            "signed": "{timestamp}|{body}",
            "timestamp": "X-Box-Office-Time",
            "tolerance": "2m",
        }
        mapping = {
            "when": 'item.kind != "test"',
            "name": "item.kind",
            "event_id": "item.number",
            "time": "item.at",
            "identifiers": {"email": "item.who.mail", "user_id": "item.who.login"},
            "properties": {"total": "item.price", "seats": "item.seats"},
            "traits": {"city": "item.who.city"},
        }
        webhook = {"secret": self.secret, "signature": {"hmac": signature}, "items": "body.sold", "events": [mapping]}
        return {"name": self.name, "webhook": webhook, "event_names": {"ticket bought": "purchase"}}

    def event(self, thing):
        if thing.kind == "test":
            return None
        names = {"ticket bought": "purchase"}
        return names.get(thing.kind, thing.kind), named(email=thing.person.email, user_id=thing.person.user)

    def body(self, things, attempt):
        sold = [
            {
                "number": thing.number,
                "kind": thing.kind,
                "at": thing.time * 1000,
                "price": thing.more["price"],
                "seats": ["A1", "A2"],
                "who": {"mail": thing.person.email, "login": thing.person.user, "city": "Zürich"},
            }
            for thing in things
        ]
        return shapes.body_of({"office": 7, "sold": sold, "try": attempt})

    def headers(self, things, body, secret, signed):
        text = f"{signed}|".encode() + body
        signature = hmac.new(secret.encode(), text, hashlib.sha512).hexdigest()
        return {**JSON, "x-box-office-signature": f"sha512={signature}", "x-box-office-time": str(signed)}


def all_senders(random):
    """Every sender, each with a secret of its own."""

    def secret(letters=32):
        return "".join(random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=letters))

    standard = "whsec_" + base64.b64encode(random.randbytes(24)).decode()
    return [
        HubSpot("hubspot", secret()),
        Shopify("shopify", secret()),
        Stripe("stripe", f"whsec_{secret()}"),
        Intercom("intercom", secret()),
        Standard("invoices", standard, "standard"),
        OutboundMessages("salesforce_messages", "", "salesforce_outbound"),
        Callouts("salesforce_flows", "", "salesforce"),
        Generic("box_office", secret(), ""),
    ]
