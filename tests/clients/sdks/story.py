"""The calls that every SDK makes, and what has to come of them."""

# Texts from everywhere, with characters that JSON escapes.
NAME = "Zoë \"Łucja\" 李小龍 \U0001f6cd"
PRODUCTS = [
    {"product_id": "p-1", "sku": "0042", "name": "Tea \U0001fad6", "price": 19.0, "quantity": 1, "category": "kitchen"},
    {"product_id": "p-2", "sku": "0043", "name": "Kettle", "price": 12.5, "quantity": 2, "variant": None},
]
TRAITS = {"name": NAME, "plan": "pro", "logins": 19, "score": 19.5, "vip": True, "address": {"city": "Zürich", "zip": "08001"}}
ORDER = {"order_id": "50314b8e", "total": 44.0, "currency": "EUR", "products": PRODUCTS}


def story(tag):
    """One customer who is known by a device first, then by name, buys, looks around, and turns out to be an older account."""
    user, device, old = f"user-{tag}", f"device-{tag}", f"old-{tag}"
    return [
        {"call": "track", "anonymous": device, "event": "Product Viewed", "properties": {"sku": "0042"}},
        {"call": "identify", "user": user, "anonymous": device, "traits": {**TRAITS, "email": f"{tag}@example.com"}},
        {"call": "track", "user": user, "event": "Order Completed", "properties": ORDER},
        {
            "call": "page",
            "user": user,
            "category": "Docs",
            "name": "Home",
            "properties": {"url": "https://shop.example.com/?q=1", "title": "Home"},
        },
        {"call": "screen", "user": user, "name": "Cart", "properties": {"items": 2}},
        {"call": "group", "user": user, "group": f"acme-{tag}", "traits": {"name": "Acme", "employees": 120}},
        {"call": "track", "user": old, "event": "Signed Up", "properties": {"plan": "free"}},
        {"call": "alias", "user": user, "previous": old},
    ]
