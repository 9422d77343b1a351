"""Keys, the stubs of all services, and webhooks, in Python."""

import re
import time
from pathlib import Path

from happypath import Client, PermissionDenied, Unauthenticated, webhooks
from happypath.identity.v1 import identity_service_pb2 as identity
from happypath.webhooks import WebhookRefused

from behave_sync import raised
from environments import PYTHON
from readmes import piece

# Any other secret.
OTHER = "whsec_b3RoZXI="


def check(guarded, methods, post):
    """Tries everything."""
    keys(guarded)
    stubs(guarded, methods)
    posts(post)


def contract_methods(protos):
    """Returns the methods of each service by the name that clients give it, as the contracts have them."""
    found = {}
    for path in Path(protos).glob("happypath/*/v1/*_service.proto"):
        text = path.read_text(encoding="utf-8")
        [service] = re.findall(r"^service (\w+)Service ", text, re.MULTILINE)
        found[service.lower()] = re.findall(r"^  rpc (\w+)\(", text, re.MULTILINE)
    assert found, f"no contracts in {protos}"
    return found


def keys(guarded):
    """A key is sent with every call, also one that is asked for anew each time."""
    request = identity.ListCustomersRequest(page_size=1)
    for key in (guarded["key"], lambda: guarded["key"]):
        with Client(guarded["address"], key=key) as client:
            client.identity.ListCustomers(request)
            assert client.track("seen", {"user_id": "ada"}).created in (True, False)
    with Client(guarded["address"]) as client:
        error = raised(Unauthenticated, lambda: client.identity.ListCustomers(request))
        assert error.reason == "CREDENTIAL_MISSING", error
    with Client(guarded["address"], key=guarded["narrow"]) as client:
        error = raised(PermissionDenied, lambda: client.identity.ListCustomers(request))
        assert error.reason == "SCOPE_MISSING", error
        raised(PermissionDenied, lambda: next(client.watch_changes()))
    assert guarded["key"] not in repr(client.__dict__), "a key must not be shown"
    print("  Client: keys are sent, and what they lack is told")


def stubs(guarded, methods):
    """Every method of every contract is there."""
    with Client(guarded["address"]) as client:
        missing = [
            f"{service}.{name}"
            for service, names in methods.items()
            for name in names
            if not hasattr(getattr(client, service), name)
        ]
    assert not missing, missing
    print(f"  Client: {sum(map(len, methods.values()))} methods of {len(methods)} services")


def posts(post):
    """A post that Happypath made is verified, and what differs from it is not."""
    body, headers, secret = post["body"], post["headers"], post["secret"]
    delivery = webhooks.verify(body.encode(), headers, [OTHER, secret])
    assert delivery.id == headers["webhook-id"] and abs(delivery.time - time.time()) < 300
    assert delivery.payload["data"]["body"] == "Grüß Gott", delivery
    assert webhooks.verify(body, {name.title(): value for name, value in headers.items()}, secret) == delivery
    shown = {}
    exec(piece(PYTHON / "README.md", "python", "def receive"), shown)
    assert shown["receive"](body.encode(), headers, secret) == 204
    assert shown["receive"](body.encode(), headers, OTHER) == 401
    signature = headers["webhook-signature"]
    assert webhooks.verify(body, headers | {"webhook-signature": f"v1a,AAAA v1,AAAA {signature}"}, secret) == delivery
    forged = [
        (body + " ", headers, secret, None),
        (body, headers, OTHER, None),
        (body, headers, secret, time.time() + 330),
        (body, headers, secret, time.time() - 330),
        (body, headers | {"webhook-id": "other"}, secret, None),
        (body, headers | {"webhook-timestamp": "now"}, secret, None),
        (body, headers | {"webhook-signature": "v1,ümlaut"}, secret, None),
        (body, {}, secret, None),
    ]
    for text, given, key, now in forged:
        raised(WebhookRefused, lambda text=text, given=given, key=key, now=now: webhooks.verify(text, given, key, now=now))
    raised(ValueError, lambda: webhooks.verify(body, headers, "secret!"))
    print(f"  webhooks: a post is verified, and {len(forged)} forgeries are not")
