"""Posts in the shapes that senders document, each about one thing that happened to one person.

They are made after the examples of the senders' documentation: HubSpot's webhooks API (v3), Salesforce's outbound messages and HTTP
callouts of flows, Shopify's webhooks, Stripe's events, Intercom's webhooks, and Standard Webhooks.
"""

import datetime
import html
import json
import uuid


def iso(seconds, hours=0):
    """An instant as most senders write it, in UTC or so many hours from it."""
    zone = datetime.timezone(datetime.timedelta(hours=hours))
    return datetime.datetime.fromtimestamp(seconds, zone).isoformat(timespec="seconds").replace("+00:00", "Z")


def body_of(content):
    """JSON as most senders write it."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


def hubspot(things):
    """Up to a hundred changes of contacts, in one list."""
    kinds = {
        "contact.creation": {"changeFlag": "CREATED", "changeSource": "CRM"},
        "contact.propertyChange": {"changeSource": "CRM_UI"},
        "contact.deletion": {"changeFlag": "DELETED", "changeSource": "CRM"},
        "deal.creation": {"changeFlag": "CREATED", "changeSource": "CRM"},
    }
    return [
        {
            "eventId": thing.number,
            "subscriptionId": 2_321_001,
            "portalId": 62_515,
            "appId": 54_321,
            "occurredAt": thing.time * 1000,
            "subscriptionType": thing.kind,
            "attemptNumber": 0,
            "objectId": thing.person.hubspot,
            **kinds[thing.kind],
            **thing.more,
        }
        for thing in things
    ]


def shopify_order(thing):
    """An order, as far as anybody reads it."""
    person = thing.person
    name = {"first_name": person.first, "last_name": person.last}
    return {
        "id": 820_982_911_946_150_000 + thing.number,
        "admin_graphql_api_id": f"gid://shopify/Order/{820_982_911_946_150_000 + thing.number}",
        "contact_email": person.email,
        "created_at": iso(thing.time, -5),
        "currency": "EUR",
        "current_total_price": thing.more["total"],
        "email": person.email,
        "financial_status": "paid",
        "name": f"#{1000 + thing.number}",
        "order_number": 1000 + thing.number,
        "total_price": thing.more["total"],
        "customer": {"id": person.shopify, "email": person.email, **name, "state": "enabled", "tags": ""},
        "line_items": [
            {"id": 866_550_311_766_430_000, "price": thing.more["total"], "quantity": 1, "sku": "IPOD2008-0042", "title": "IPod Nano – 8GB"}
        ],
        "shipping_address": {**name, "address1": "Straße 1", "city": "Zürich", "zip": "08001", "country_code": "CH"},
    }


def shopify_product(thing):
    """A product, which is of nobody."""
    return {"id": 788_032_119_674_290_000 + thing.number, "title": "Example T-Shirt", "vendor": "Acme", "updated_at": iso(thing.time)}


def shopify_customer(thing):
    """A customer of a shop."""
    person = thing.person
    return {
        "id": person.shopify,
        "admin_graphql_api_id": f"gid://shopify/Customer/{person.shopify}",
        "created_at": iso(thing.time),
        "email": person.email,
        "first_name": person.first,
        "last_name": person.last,
        "state": "disabled",
        "tags": thing.more.get("tags", ""),
        "updated_at": iso(thing.time),
        "verified_email": True,
        "phone": None,
    }


def stripe(thing):
    """An event with the object that it is about."""
    person = thing.person
    objects = {
        "customer.created": {"id": person.stripe, "object": "customer", "email": person.email, "name": f"{person.first} {person.last}"},
        "invoice.paid": {
            "id": f"in_{thing.number:024d}",
            "object": "invoice",
            "customer": person.stripe,
            "customer_email": person.email,
            "amount_paid": thing.more.get("amount", 0),
            "currency": "eur",
        },
        "charge.failed": {
            "id": f"ch_{thing.number:024d}",
            "object": "charge",
            "customer": person.stripe,
            "amount": thing.more.get("amount", 0),
            "billing_details": {"email": person.email},
        },
    }
    return {
        "id": f"evt_{thing.number:024d}",
        "object": "event",
        "api_version": "2025-08-27.basil",
        "created": thing.time,
        "data": {"object": {**objects[thing.kind], "livemode": True, "metadata": {}}},
        "livemode": True,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": thing.kind,
    }


def intercom(thing, attempt=1):
    """A notification about a contact."""
    person = thing.person
    contact = {
        "type": "contact",
        "id": person.intercom,
        "workspace_id": "ecahpwf5",
        "external_id": person.user,
        "role": "user",
        "email": person.email,
        "phone": None,
        "name": f"{person.first} {person.last}",
        "custom_attributes": {"plan": "pro"},
        "created_at": thing.time,
    }
    return {
        "type": "notification_event",
        "app_id": "ecahpwf5",
        "data": {"type": "notification_event_data", "item": contact},
        "links": {},
        "id": f"notif_{uuid.UUID(int=thing.number)}",
        "topic": thing.kind,
        "delivery_status": "pending",
        "delivery_attempts": attempt,
        "delivered_at": 0,
        "first_sent_at": thing.time,
        "created_at": thing.time,
        "self": None,
    }


def record(thing):
    """A record as a flow sends it."""
    person = thing.person
    when = datetime.datetime.fromtimestamp(thing.time + thing.number % 1000 / 1000, datetime.timezone.utc)
    made = {
        "attributes": {"type": "Contact", "url": f"/services/data/v62.0/sobjects/Contact/{person.salesforce}"},
        "Id": person.salesforce,
        "Email": person.email,
        "FirstName": person.first,
        "LastName": person.last,
        "LastModifiedDate": when.isoformat(timespec="milliseconds").replace("+00:00", "+0000"),
        "Priority": thing.more["priority"],
    }
    return {**made, "event": thing.kind} if thing.kind else made


def outbound_message(things):
    """An outbound message of a workflow: SOAP with up to a hundred notifications about contacts."""
    notifications = "".join(
        f"""
   <Notification>
    <Id>04l{thing.number:012d}AA</Id>
    <sObject xsi:type="sf:Contact" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
     <sf:Id>{thing.person.salesforce}</sf:Id>
     <sf:Email>{html.escape(thing.person.email)}</sf:Email>
     <sf:FirstName>{html.escape(thing.person.first)}</sf:FirstName>
     <sf:LastName>{html.escape(thing.person.last)}</sf:LastName>
     <sf:LeadSource>{html.escape(thing.more["source"])}</sf:LeadSource>
     <sf:SystemModstamp>{iso(thing.time)}</sf:SystemModstamp>
    </sObject>
   </Notification>"""
        for thing in things
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body>
  <notifications xmlns="http://soap.sforce.com/2005/09/outbound">
   <OrganizationId>00D7000000001AbEAI</OrganizationId>
   <ActionId>04k70000000CaZkAAK</ActionId>
   <SessionId xsi:nil="true"/>
   <EnterpriseUrl>https://example.my.salesforce.com/services/Soap/c/58.0/00D7000000001Ab</EnterpriseUrl>
   <PartnerUrl>https://example.my.salesforce.com/services/Soap/u/58.0/00D7000000001Ab</PartnerUrl>{notifications}
  </notifications>
 </soapenv:Body>
</soapenv:Envelope>
""".encode()
