"""The calls that every SDK makes."""

# Texts from everywhere, with characters that JSON escapes.
NAME = "Zoë \"Łucja\" 李小龍 \U0001f6cd"
PRODUCTS = [
    {"product_id": "p-1", "sku": "0042", "name": "Tea \U0001fad6", "price": 19.0, "quantity": 1, "category": "kitchen"},
    {"product_id": "p-2", "sku": "0043", "name": "Kettle", "price": 12.5, "quantity": 2, "variant": None},
]
TRAITS = {"name": NAME, "plan": "pro", "logins": 19, "score": 19.5, "vip": True, "address": {"city": "Zürich", "zip": "08001"}}
ORDER = {"order_id": "50314b8e", "total": 44.0, "currency": "EUR", "products": PRODUCTS}
COMPANY = {"name": "Acme", "employees": 120}


def user(tag):
    """Who the calls of a tag are about."""
    return f"user-{tag}"


def device(tag):
    """The device that they are first seen on."""
    return f"device-{tag}"


def old(tag):
    """An account that turns out to be theirs."""
    return f"old-{tag}"


def email(tag):
    """Their address."""
    return f"{tag}@example.com"


def story(tag):
    """A customer who is known by a device first, then by name, buys, looks around, and turns out to be an older account."""
    who = user(tag)
    page = {"url": "https://shop.example.com/?q=1", "title": "Home"}
    return [
        {"call": "track", "anonymous": device(tag), "event": "Product Viewed", "properties": {"sku": "0042"}},
        {"call": "identify", "user": who, "anonymous": device(tag), "traits": {**TRAITS, "email": email(tag)}},
        {"call": "track", "user": who, "event": "Order Completed", "properties": ORDER},
        {"call": "page", "user": who, "category": "Docs", "name": "Home", "properties": page},
        {"call": "screen", "user": who, "name": "Cart", "properties": {"items": 2}},
        {"call": "group", "user": who, "group": f"acme-{tag}", "traits": COMPANY},
        {"call": "track", "user": old(tag), "event": "Signed Up", "properties": {"plan": "free"}},
        {"call": "alias", "user": who, "previous": old(tag)},
    ]


def purchase(tag, time=None):
    """One order, now or at a time that its program says."""
    call = {"call": "track", "user": user(tag), "event": "Order Completed", "properties": ORDER}
    return call if time is None else {**call, "time": time}
