"""Reads what a server knows, by its contracts alone."""

import pathlib
import sys

# The client that knows a server by reflection is that of the neighbours.
sys.path.append(str(pathlib.Path(__file__).parents[1] / "python"))

from server import Refused, Server, until  # noqa: E402

__all__ = ["GATEWAY", "Reader", "Refused", "until"]

IDENTITY = "happypath.identity.v1.IdentityService"
SEGMENTATION = "happypath.segmentation.v1.SegmentationService"
GATEWAY = "happypath.gateway.v1.IntakeService"


class Reader:
    """One server, to read from."""

    def __init__(self, address, key=None):
        self._server = Server(address, key)
        self.call = self._server.call

    def customers(self):
        """All customers that there are, by id."""
        found, token = {}, ""
        while True:
            page = self.call(f"{IDENTITY}/ListCustomers", {"page_size": 1000, "page_token": token})
            found |= {customer["customer_id"]: customer for customer in page.get("customers", [])}
            token = page.get("next_page_token")
            if not token:
                return found

    def customer(self, namespace, value):
        """Who has an identifier, and everything that names them."""
        identifier = {"namespace": namespace, "value": value}
        customer = self.call(f"{IDENTITY}/GetCustomer", {"identifier": identifier})["customer"]
        names = {(each["namespace"], each["value"]) for each in customer["identifiers"]}
        return customer["customer_id"], names

    def profile(self, customer):
        """The traits and events of a customer."""
        return self.call(f"{SEGMENTATION}/GetProfile", {"customer_id": customer})["profile"]

    def counts(self, customer):
        """How often each event was counted for a customer."""
        return {each["name"]: int(each["count"]) for each in self.profile(customer).get("events", [])}

    def is_true(self, customer, expression):
        """Whether an expression holds for a customer."""
        answer = self.call(f"{SEGMENTATION}/ExplainMembership", {"customer_id": customer, "expression": expression})
        return answer["explanations"][0].get("holds", False)

    def statistics(self, source=""):
        """How much was counted, by source and reason."""
        answer = self.call(f"{GATEWAY}/GetIntakeStatistics", {"source": source, "days": 2})
        return {(each.get("source", ""), each["reason"]): int(each["count"]) for each in answer.get("counts", [])}

    def dead_letters(self, source):
        """The dead letters of a source, newest first."""
        return self.call(f"{GATEWAY}/ListDeadLetters", {"filter": {"source": source}}).get("dead_letters", [])
