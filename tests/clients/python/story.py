"""The story of one customer: three purchases make them a regular, and the shop thanks them by webhook."""

import base64
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc

from receiver import Receiver, is_forgery, verified
from server import until

INGEST = "happypath.identity.v1.IdentityService/Ingest"
APPLY = "happypath.definition.v1.DefinitionService/ApplyDefinitions"
DELETE = "happypath.definition.v1.DefinitionService/DeleteDefinition"
GET_DEFINITION = "happypath.definition.v1.DefinitionService/GetDefinition"
GET_CUSTOMER = "happypath.identity.v1.IdentityService/GetCustomer"
GET_PROFILE = "happypath.segmentation.v1.SegmentationService/GetProfile"
GET_JOURNEYS = "happypath.journey.v1.JourneyService/GetCustomerJourneys"
GET_FLOW = "happypath.journey.v1.JourneyService/GetFlow"
LIST_ACTIVATIONS = "happypath.activation.v1.ActivationService/ListActivations"


class Story:
    """One run of the story, with names that no other run has."""

    def __init__(self, server):
        self.server = server
        self.tag = uuid.uuid4().hex[:12]
        self.user = f"user-{self.tag}"
        self.segment, self.journey = f"regular_{self.tag}", f"thanks_{self.tag}"
        self.channel, self.template = f"hook_{self.tag}", f"thanks_{self.tag}"
        self.secret = "whsec_" + base64.b64encode(os.urandom(32)).decode()
        self.receiver = Receiver()
        self.customer = None

    def definitions(self):
        """What the shop wants."""
        purchase = {"event": "purchase", "where": f'event.shop == "{self.tag}"'}
        became_regular = {"trigger": {"segment_entered": self.segment}, "next": "thank"}
        return [
            {
                "channel": {
                    "name": self.channel,
                    "webhook": {"url": self.receiver.url, "secret": self.secret, "allow_private_network": True},
                }
            },
            {"template": {"name": self.template, "text": {"subject": "Thanks", "body": "Thank you, {{ profile.first_name }}!"}}},
            {
                "segment": {
                    "name": self.segment,
                    "expression": f'events("purchase").where(event.shop == "{self.tag}").within("30d").count() >= 3',
                }
            },
            {
                "journey": {
                    "name": self.journey,
                    "entry": {"triggers": [purchase], "reentry": "REENTRY_NEVER"},
                    "steps": [
                        {
                            "id": "await_regular",
                            "wait_for": {"branches": [became_regular], "timeout": "30d", "on_timeout": "give_up"},
                        },
                        {
                            "id": "thank",
                            "send": {"channel": self.channel, "template": self.template, "purpose": "transactional"},
                        },
                        {"id": "done", "exit": {"outcome": "RUN_OUTCOME_SUCCESS"}},
                        {"id": "give_up", "exit": {"outcome": "RUN_OUTCOME_FAILURE"}},
                    ],
                }
            },
        ]

    def apply_definitions(self):
        """Applies them all at once; the second time changes nothing."""
        request = {"request_id": f"apply-{self.tag}", "definitions": self.definitions()}
        applied = self.server.call(APPLY, request)["applied"]
        assert [each["action"] for each in applied] == ["APPLY_ACTION_CREATED"] * 4, applied
        again = self.server.call(APPLY, {**request, "request_id": f"again-{self.tag}"})["applied"]
        assert [each["action"] for each in again] == ["APPLY_ACTION_UNCHANGED"] * 4, again
        assert [each["version"] for each in again] == [1] * 4, again
        kept = self.server.call(GET_DEFINITION, {"kind": "DEFINITION_KIND_CHANNEL", "name": self.channel})
        shown = kept["definition"]["definition"]["channel"]["webhook"]["secret"]
        assert shown == "whsec_***", "the secret of a channel must not be readable"
        # The contract gives every replica a second to hear of them.
        time.sleep(1)
        print("  four definitions are live, the secret of the channel is masked")

    def apply_at_once(self):
        """Eight teams apply bundles of their own at the same moment: none is in another's way."""

        def team(number):
            names = {"segment": f"team{number}_{self.tag}", "journey": f"team{number}_{self.tag}"}
            left = {"trigger": {"segment_left": names["segment"]}, "next": "done"}
            steps = [
                {"id": "stay", "wait_for": {"branches": [left], "timeout": "1d", "on_timeout": "done"}},
                {"id": "done", "exit": {}},
            ]
            entry = {"triggers": [{"segment_entered": names["segment"]}], "reentry": "REENTRY_AFTER_EXIT"}
            segment = {"name": names["segment"], "expression": f'profile.team == "{names["segment"]}"'}
            journey = {"name": names["journey"], "entry": entry, "steps": steps}
            definitions = [{"segment": segment}, {"journey": journey}]
            self.server.call_again(APPLY, {"request_id": f"team{number}-{self.tag}", "definitions": definitions})
            for kind in ("JOURNEY", "SEGMENT"):
                self.server.call_again(DELETE, self.deletion(kind, names[kind.lower()], f"team{number}"))

        with ThreadPoolExecutor(8) as teams:
            list(teams.map(team, range(8)))
        print("  eight bundles were applied and deleted at once")

    def purchases(self, count, request_id):
        """A request of so many purchases, each event named by the request."""
        event = {
            "name": "purchase",
            "identifiers": {"user_id": self.user},
            "properties": {"shop": self.tag, "amount": 19.5},
            "traits": {"first_name": "Ada"},
        }
        return {"request_id": request_id, "events": [event] * count}

    def buy_once(self):
        """The first purchase: the customer exists, and waits in the journey."""
        result = self.server.call(INGEST, self.purchases(1, f"first-{self.tag}"))["results"][0]
        assert result["created"] is True, result
        self.customer = result["customer_id"]
        found = self.server.call(GET_CUSTOMER, {"identifier": {"namespace": "user_id", "value": self.user}})
        assert found["customer"]["customer_id"] == self.customer, found
        profile = until("the profile counts the first purchase", lambda: self.profile_with(1))
        assert profile["traits"] == {"first_name": "Ada"}, profile
        assert self.segment not in self.segments(profile), profile
        run = until("the customer waits in the journey", lambda: self.run_at("await_regular"))
        assert "end_time" not in run and run["version"] == 1, run

    def become_regular(self):
        """Two more purchases: the customer enters the segment, and the shop says thanks."""
        self.server.call(INGEST, self.purchases(2, f"more-{self.tag}"))
        until("the customer is in the segment", lambda: self.segment in self.segments(self.profile_with(3)))
        until("the webhook arrived, and again after its 503", lambda: len(self.receiver.requests) >= 2)
        (first, _), (headers, body) = self.receiver.requests[:2]
        assert first["webhook-id"] == headers["webhook-id"], "a retry must carry the same webhook-id"
        content = verified(self.secret, headers, body)["data"]
        assert content["body"] == "Thank you, Ada!" and content["subject"] == "Thanks", content
        assert content["customer_id"] == self.customer and content["journey"] == self.journey, content
        assert content["activation_id"] == headers["webhook-id"], content
        assert is_forgery(self.secret, headers, body.replace(b"Ada", b"Eve")), "an altered body was accepted"
        print("  standardwebhooks accepts the delivery, and refuses it altered")

    def look_back(self):
        """What the services tell about it afterwards, and that they agree."""
        run = until("the run has ended", lambda: self.run_at(""))
        assert run["outcome"] == "RUN_OUTCOME_SUCCESS", run
        until("the activation is delivered", lambda: self.activation("ACTIVATION_STATUS_DELIVERED"))
        assert int(self.activation("ACTIVATION_STATUS_DELIVERED")["attempts"]) == 2
        until(
            "the receipt is an event of the customer",
            lambda: "activation_delivered" in {each["name"] for each in self.profile().get("events", [])},
        )
        flow = self.server.call(GET_FLOW, {"journey": self.journey})
        assert flow["entered_count"] == "1" and flow.get("active_count", "0") == "0", flow
        for step in flow["steps"]:
            came, went, here = (int(step.get(f"{name}_count", 0)) for name in ("in", "out", "present"))
            assert came == went + here, f"in = out + present must hold: {step}"
        assert len(self.receiver.requests) == 2, "a delivery that was taken must not be repeated"

    def replay(self):
        """The same request again has no effect; its id with another body is refused."""
        request = self.purchases(2, f"more-{self.tag}")
        first = self.server.call(INGEST, request)
        assert self.server.call(INGEST, request) == first, "a replay must get the first answer"
        assert len(first["results"]) == 2 and first["results"][0]["customer_id"] == self.customer, first
        other = self.server.refusal(INGEST, self.purchases(1, f"more-{self.tag}"))
        assert other.code is grpc.StatusCode.FAILED_PRECONDITION, other
        assert (other.reason, other.domain) == ("REQUEST_ID_REUSED", "happypath.dev"), other
        assert self.profile_with(3), "replays must not be counted"
        print("  a replay gets the first answer, and the id with another body is refused")

    def clean_up(self):
        """Deletes what the run defined, which the server refuses while something refers to it."""
        in_use = self.server.refusal(DELETE, self.deletion("SEGMENT", self.segment, "too-early"))
        assert (in_use.code, in_use.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "DEFINITION_IN_USE"), in_use
        assert any(self.journey in description for _, description in in_use.violations), in_use.violations
        for kind in ("JOURNEY", "SEGMENT", "TEMPLATE", "CHANNEL"):
            self.server.call(DELETE, self.deletion(kind, getattr(self, kind.lower()), "delete"))
        print("  definitions in use are kept, others are deleted")

    def deletion(self, kind, name, why):
        """A request to delete."""
        return {"request_id": f"{why}-{kind}-{self.tag}", "kind": f"DEFINITION_KIND_{kind}", "name": name}

    def profile(self):
        """The profile of the customer."""
        return self.server.call(GET_PROFILE, {"customer_id": self.customer})["profile"]

    def profile_with(self, purchases):
        """The profile if it counts exactly so many purchases; more would never become right again."""
        profile = self.profile()
        counted = {each["name"]: int(each["count"]) for each in profile.get("events", [])}.get("purchase", 0)
        assert counted <= purchases, f"{counted} purchases counted, {purchases} sent"
        return profile if counted == purchases else None

    @staticmethod
    def segments(profile):
        """The segments of a profile."""
        return {each["segment"] for each in (profile or {}).get("memberships", [])}

    def run_at(self, step):
        """The customer's run if it is at a step; the empty step is that of a run that ended."""
        runs = self.server.call(GET_JOURNEYS, {"customer_id": self.customer}).get("runs", [])
        ours = [run for run in runs if run["journey"] == self.journey]
        assert len(ours) <= 1, ours
        return next((run for run in ours if run.get("step", "") == step), None)

    def activation(self, status):
        """The customer's activation if it has a status."""
        answer = self.server.call(LIST_ACTIVATIONS, {"customer_id": self.customer})
        ours = [each for each in answer.get("activations", []) if each["journey"] == self.journey]
        assert len(ours) <= 1, ours
        return next((each for each in ours if each["status"] == status), None)
