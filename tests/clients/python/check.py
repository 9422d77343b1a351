"""A stranger's first hour with a server, from Python: check.py ADDRESS.

Knows the contracts by reflection only. Ends with an error at the first thing that is not as promised.
"""

import sys

import hostile
from follower import Follower
from server import Server
from story import Story

SERVICES = {
    "happypath.identity.v1.IdentityService",
    "happypath.segmentation.v1.SegmentationService",
    "happypath.journey.v1.JourneyService",
    "happypath.activation.v1.ActivationService",
    "happypath.definition.v1.DefinitionService",
    "happypath.engine.v1.PartitionService",
}


def main(address):
    """Runs everything, in an order in which each part can rely on those before."""
    server = Server(address)
    print("The server")
    missing = SERVICES - server.services()
    assert not missing, f"reflection does not list {missing}"
    for service in ["", *sorted(SERVICES)]:
        assert server.health(service) == "SERVING", f"{service or 'the server'} does not serve"
    print(f"  serves {len(SERVICES)} services, and all are healthy")
    story = Story(server)
    follower = Follower(story)
    print(f"A customer, {story.user}")
    try:
        story.apply_definitions()
        follower.subscribe()
        story.buy_once()
        story.become_regular()
        follower.hears()
        story.look_back()
        story.replay()
        print("Mistakes")
        hostile.bad_requests(server, story.tag)
        hostile.many_faults(server, story.tag)
        hostile.unreadable_definition(server, story.tag)
        print("Malice")
        hostile.hostile_events(server, story.tag)
        hostile.hostile_texts(server)
        print("Afterwards")
        assert story.profile_with(3), "the customer is not what they were"
        follower.unsubscribe()
        story.clean_up()
        story.apply_at_once()
    finally:
        story.receiver.close()
        follower.receiver.close()


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    main(sys.argv[1])
