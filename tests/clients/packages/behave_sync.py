"""The client that waits for answers, against servers that fail."""

import time

import grpc
import happypath.streams
from happypath import (
    Client,
    Contended,
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
    OutOfRange,
    Retries,
    Unavailable,
    event,
)
from happypath.definition.v1 import definition_service_pb2 as definition
from happypath.identity.v1 import identity_service_pb2 as identity
from happypath.segmentation.v1 import segmentation_service_pb2 as segmentation
from happypath.watching import Watch

from servers import DELAY_SECONDS, DELAYED

# Events of one stream, and in one of its batches.
EVENTS, BATCH = 600, 20
# Seconds that a call takes at the most which ends after one: far less than the 30 that others have.
MOST_SECONDS = 8


def check(servers, tag):
    """Tries everything, with names that only this run has."""
    addresses = servers.addresses
    with Client(addresses["server"]) as direct:
        refusals(servers, direct, f"{tag}-refused")
        hangs(servers, direct, f"{tag}-hung")
        streams(servers, direct, tag)
        errors(addresses, direct, tag)
        definitions(direct, tag)
    watches(servers)


def counted(client, user, name, after):
    """How many events of a name somebody has."""
    known = client.identity.GetCustomer(
        identity.GetCustomerRequest(identifier=identity.Identifier(namespace="user_id", value=user))
    )
    request = segmentation.GetProfileRequest(customer_id=known.customer.customer_id, after=after)
    profile = client.segmentation.GetProfile(request).profile
    return next((each.count for each in profile.events if each.name == name), 0)


def refusals(servers, direct, user):
    """An event that is sent five times counts once, and the pause is the one that was asked for."""
    with Client(servers.addresses["refuses"]) as client:
        answer = client.ingest([event("bought", {"user_id": user}, properties={"number": 2**90})])
    assert servers.attempts("refuses", "Ingest") == 5
    assert servers.pauses("refuses", "Ingest")[DELAYED] >= DELAY_SECONDS, "the client came back before it should"
    assert answer.results[0].created, "a replay gives the first answer"
    assert counted(direct, user, "bought", answer.position) == 1
    once = event("bought", {"user_id": user}, event_id=f"{user}-order")
    positions = [direct.ingest([once]).position for _ in range(3)]
    assert counted(direct, user, "bought", positions[-1]) == 2
    print("  Client: an event that took five attempts counts once, and so does one that is sent three times")


def hangs(servers, direct, user):
    """An answer that never comes is asked for again, as long as there is time."""
    quick = Retries(send_attempt=0.5)
    with Client(servers.addresses["hangs"], retries=quick) as client:
        client.track("bought", {"user_id": user})
        began = time.monotonic()
        error = raised(
            DeadlineExceeded, lambda: client.identity.GetCustomer(identity.GetCustomerRequest(customer_id="x"), timeout=0.7)
        )
        assert 0.5 < time.monotonic() - began < MOST_SECONDS, error
    position = (
        direct.identify({"user_id": user}, {"plan": None}).customer_id
        and direct.ingest([event("seen", {"user_id": user})]).position
    )
    assert counted(direct, user, "bought", position) == 1
    assert servers.attempts("hangs", "Ingest") == 2
    with Client(servers.addresses["nobody"], retries=Retries(total=1)) as client:
        began = time.monotonic()
        raised(Unavailable, lambda: client.track("bought", {"user_id": user}))
        assert time.monotonic() - began < MOST_SECONDS
    print("  Client: deadlines hold, for one attempt and for all of them")


def streams(servers, direct, tag):
    """Streams that are cut in many places: each event counts once."""
    for name, settings in (
        ("cuts_streams", {}),
        ("cuts_sources", {"source": f"source-{tag}"}),
        ("resets", {"import_name": f"import-{tag}"}),
    ):
        user = f"{tag}-{name}"
        numbers = iter(range(1, EVENTS + 1))
        events = (event("visited", {"user_id": user}, sequence=number if "source" in settings else 0) for number in numbers)
        with Client(servers.addresses[name]) as client:
            answers = list(client.ingest_stream(events, batch_size=BATCH, window=4, **settings))
        assert sum(answer.accepted_count for answer in answers) == EVENTS
        assert [len(answer.events) for answer in answers] == [BATCH] * (EVENTS // BATCH)
        assert counted(direct, user, "visited", answers[-1].position) == EVENTS, name
    assert servers.attempts("cuts_streams", "IngestStream") == 7
    assert servers.connections("resets") >= 5, servers.connections("resets")
    mixed = [event("visited", {"user_id": tag}), event("bad\nname", {"user_id": tag}), event("visited", {})]
    [answer] = direct.ingest_stream(mixed)
    assert answer.accepted_count == 1
    assert [(refused.event.name, refused.field) for refused in answer.refused] == [
        ("bad\nname", "name"),
        ("visited", "identifiers"),
    ]
    own = [event("paid", {"user_id": tag}, event_id=f"{tag}-{number}") for number in range(30)]
    positions = [[answer.position for answer in direct.ingest_stream(own, batch_size=7)] for _ in range(2)]
    assert counted(direct, tag, "paid", positions[1][-1]) == len(own)
    assert list(direct.ingest_stream([])) == []
    raised(ValueError, lambda: list(direct.ingest_stream([event("visited", {"user_id": tag})], source="numbered")))
    raised(
        ZeroDivisionError, lambda: list(direct.ingest_stream(event("visited", {"user_id": str(1 // each)}) for each in (1, 0)))
    )
    print(f"  Client: three streams of {EVENTS} events, cut and reset in 17 places, count each event once")


def errors(addresses, direct, tag):
    """Errors have a type, a reason, a remedy and the faults of fields."""
    error = raised(InvalidRequest, lambda: direct.ingest([event("bad\nname", {"User Id": "x"})]))
    assert error.reason == "INVALID_REQUEST" and "Correct every field" in error.remedy, error
    assert {each.field for each in error.violations} == {"events[0].name", 'events[0].identifiers["User Id"]'}, error.violations
    assert "events[0].name: " in str(error) and error.remedy in str(error)
    unknown = identity.GetCustomerRequest(customer_id="01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23")
    error = raised(NotFound, lambda: direct.identity.GetCustomer(unknown))
    assert error.reason == "CUSTOMER_NOT_FOUND" and error.code is grpc.StatusCode.NOT_FOUND, error
    raised(ValueError, lambda: direct.ingest([]))
    raised(ValueError, lambda: event("bought", {"user_id": tag}, properties={"total": float("nan")}))
    for address in ("ftp://127.0.0.1", "127.0.0.1:port", "http://127.0.0.1/path", ""):
        raised(ValueError, lambda address=address: Client(address))
    print("  Client: errors tell reason, remedy and fields")


def definitions(direct, tag):
    """Definitions are applied as dictionaries; an etag that has passed is no reason to try again."""
    segment = {"segment": {"name": f"client_{tag}", "expression": 'events("visited").exists()'}}
    [created] = direct.apply([segment])
    assert created.action == definition.APPLY_ACTION_CREATED
    began = time.monotonic()
    error = raised(Contended, lambda: direct.apply([segment], if_match=["0"]))
    assert error.reason == "ETAG_MISMATCH" and time.monotonic() - began < MOST_SECONDS, error
    assert "definitions[0]" in str(raised(ValueError, lambda: direct.apply([{"segment": {"nam": "x"}}])))
    kind = definition.DEFINITION_KIND_SEGMENT
    direct.definition.DeleteDefinition(definition.DeleteDefinitionRequest(kind=kind, name=f"client_{tag}"))
    print("  Client: definitions are applied and deleted")


def watches(servers):
    """A watch that is cut in many places has every change once, in order."""
    for name, settings in (
        ("cuts_watches", {"position": "fake-150"}),
        ("resets_watches", {"from_start": True}),
        ("cuts_new_watches", {}),
    ):
        seen, position = [], ""
        with Client(servers.addresses[name]) as client:
            for batch in client.watch_changes(kinds=["membership"], **settings):
                seen += [int(change.id[1:]) for change in batch.changes]
                position = batch.position
                if len(seen) >= (60 if name == "cuts_new_watches" else 450):
                    break
        assert seen == list(range(seen[0], seen[0] + len(seen))), (name, seen)
        assert position == f"fake-{seen[-1] + 1}"
        assert seen[0] == {"cuts_watches": 150, "resets_watches": 100}.get(name, seen[0])
    assert servers.attempts("cuts_watches", "WatchChanges") == 7
    with Client(servers.addresses["silences"]) as client:
        silent = happypath.streams.watch(client.change.WatchChanges, Watch("fake-150"), Retries(), silence=0.5)
        assert next(silent).position == "fake-150"
    with Client(servers.addresses["changes"]) as client:
        error = raised(OutOfRange, lambda: next(client.watch_changes("fake-99")))
        assert error.reason == "CHANGES_OUT_OF_RANGE", error
        raised(InvalidRequest, lambda: next(client.watch_changes("other-1")))
        raised(ValueError, lambda: client.watch_changes(kinds=["mood"]))
    print("  Client: three watches, cut and reset in 17 places, see each change once and in order")


def raised(kind, call):
    """Returns the error that a call raises, which must be of a kind."""
    try:
        answer = call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} should have been raised, and the answer was {answer}")
