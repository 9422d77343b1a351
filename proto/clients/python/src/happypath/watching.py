"""Where a watch of changes is: what it asks for when it comes back, and what it makes of the answers. Nothing here waits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from happypath.gateway.v1 import change_pb2, change_service_pb2

# Seconds without a message after which a stream is taken for dead. The service says something every ten.
SILENCE_SECONDS = 35.0
_KINDS = {name.removeprefix("CHANGE_KIND_").lower(): value for name, value in change_pb2.ChangeKind.items() if value}


@dataclass(frozen=True)
class ChangeBatch:
    """Changes, and the position behind them.

    Attributes:
        changes: The changes, in order; none where only time went on.
        position: Keep it once the changes are dealt with, also where there are none: whoever comes back with it misses
            nothing and gets nothing twice.
    """

    changes: Sequence[change_pb2.Change]
    position: str


@dataclass
class Watch:
    """A watch that can be taken up again.

    Attributes:
        position: The position behind what was handed out.
        from_start: True to begin with the oldest change that is kept.
        filter: Which changes.
        max_changes: Changes in a message at the most; 0 for as many as there may be.
    """

    position: str = ""
    from_start: bool = False
    filter: change_pb2.ChangeFilter = field(default_factory=change_pb2.ChangeFilter)
    max_changes: int = 0

    def __post_init__(self) -> None:
        if self.position and self.from_start:
            raise ValueError("position, from_start: give one of them")

    def request(self) -> change_service_pb2.WatchChangesRequest:
        """Returns the request that goes on where this is."""
        return change_service_pb2.WatchChangesRequest(
            position=self.position,
            from_start=self.from_start and not self.position,
            filter=self.filter,
            max_changes=self.max_changes,
        )

    def take(self, answer: change_service_pb2.WatchChangesResponse) -> ChangeBatch:
        """Takes an answer, and moves behind it."""
        self.position = answer.position or self.position
        return ChangeBatch(answer.changes, self.position)


def change_filter(
    kinds: Iterable[str] = (),
    segments: Iterable[str] = (),
    journeys: Iterable[str] = (),
    journey_maps: Iterable[str] = (),
    channels: Iterable[str] = (),
    customer_ids: Iterable[str] = (),
) -> change_pb2.ChangeFilter:
    """Returns a filter.

    Raises:
        ValueError: There is no such kind of change.
    """
    names = [kinds] if isinstance(kinds, str) else list(kinds)
    unknown = [name for name in names if name not in _KINDS]
    if unknown:
        raise ValueError(f"kinds: there is no {unknown[0]!r}: choose from {', '.join(_KINDS)}")
    return change_pb2.ChangeFilter(
        kinds=[_KINDS[name] for name in names],
        segments=segments,
        journeys=journeys,
        journey_maps=journey_maps,
        channels=channels,
        customer_ids=customer_ids,
    )
