"""A program that follows what changes: a subscription, which posts changes signed, in batches, until they are taken."""

import base64
import os

from receiver import Receiver, is_forgery, verified
from server import until

APPLY = "happypath.definition.v1.DefinitionService/ApplyDefinitions"
DELETE = "happypath.definition.v1.DefinitionService/DeleteDefinition"
LIST = "happypath.gateway.v1.ChangeService/ListSubscriptions"
RESUME = "happypath.gateway.v1.ChangeService/ResumeSubscription"


class Follower:
    """Follows the segment of a story; its first post is turned away."""

    def __init__(self, story):
        self.server, self.story = story.server, story
        self.name = f"follow_{story.tag}"
        self.secret = "whsec_" + base64.b64encode(os.urandom(32)).decode()
        self.receiver = Receiver()

    def subscribe(self):
        """Asks for the changes of the segment, from now on."""
        subscription = {
            "name": self.name,
            "url": self.receiver.url,
            "secret": self.secret,
            "allow_private_network": True,
            "filter": {"segments": [self.story.segment], "kinds": ["CHANGE_KIND_MEMBERSHIP"]},
            "max_delay": "100ms",
        }
        request = {"request_id": f"follow-{self.story.tag}", "definitions": [{"subscription": subscription}]}
        applied = self.server.call(APPLY, request)["applied"]
        assert [each["action"] for each in applied] == ["APPLY_ACTION_CREATED"], applied

    def hears(self):
        """The customer entered the segment: told once, although it took two posts."""
        until("the change was posted", lambda: len(self.receiver.requests) >= 1)
        retrying = until("the first post is noted as failed", lambda: self.status("SUBSCRIPTION_STATE_RETRYING"))
        assert retrying["failed_attempts"] == 1 and "503" in retrying["last_error"], retrying
        resume = {"request_id": f"resume-{self.story.tag}", "name": self.name}
        resumed = self.server.call(RESUME, resume)
        until("the change was posted again", lambda: len(self.receiver.requests) >= 2)
        (first, first_body), (headers, body) = self.receiver.requests[:2]
        assert first["webhook-id"] == headers["webhook-id"] and first_body == body, "a retry must be the same post"
        content = verified(self.secret, headers, body)
        assert content["type"] == "changes" and content["subscription"] == self.name, content
        [change] = content["changes"]
        assert change["customerId"] == self.story.customer, change
        membership = change["membership"]
        assert (membership["segment"], membership["isMember"]) == (self.story.segment, True), change
        assert is_forgery(self.secret, headers, body.replace(b"true", b"false")), "an altered body was accepted"
        active = until("the batch is noted as taken", lambda: self.status("SUBSCRIPTION_STATE_ACTIVE"))
        assert active["position"] == content["position"], active
        assert self.server.call(RESUME, resume) == resumed, "a replay must get the first answer"
        assert len(self.receiver.requests) == 2, "a batch that was taken must not be repeated"
        print("  standardwebhooks accepts a batch of changes, and refuses it altered")

    def unsubscribe(self):
        """Nothing refers to it, so it can go at any time."""
        request = {"request_id": f"unfollow-{self.story.tag}", "kind": "DEFINITION_KIND_SUBSCRIPTION", "name": self.name}
        self.server.call(DELETE, request)

    def status(self, state):
        """The subscription if it is in this state."""
        listed = self.server.call(LIST, {"page_size": 1000}).get("subscriptions", [])
        [own] = [each for each in listed if each["name"] == self.name]
        return own if own["state"] == state else None
