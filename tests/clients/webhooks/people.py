"""The people of the day, and whatever each sender calls them."""

FIRST = ("Ada", "Émile", "Grace", "Jürgen", "Katherine", "Łukasz", "Mei", "Noor", "Zoë", "Sašo")
LAST = ("Brontë", "Curie", "Hopper", "Işık", "Johnson", "Müller", "Nowak", "O'Neill", "Peña", "Sørensen")


class Person:
    """Somebody, by the ids that senders have for them."""

    def __init__(self, number):
        self.number = number
        self.first, self.last = FIRST[number % len(FIRST)], LAST[number // len(FIRST) % len(LAST)]
        self.email = f"person{number}@example.com"
        self.phone = f"+4930{1_000_000 + number}"
        self.hubspot = 50_000 + number
        self.shopify = 706_405_506_930_370_000 + number
        self.stripe = f"cus_Q{number:07d}"
        self.intercom = f"6329{number:08d}"
        self.salesforce = f"003D7{number:010d}QAM"
        self.user = f"user-{number}"


def people(count):
    """So many people."""
    return [Person(number) for number in range(count)]
