"""Instants as SDKs and servers write them."""

import datetime
import re

# A date, a time, the digits of a fraction of a second, and a zone.
FORM = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")


def read(text):
    """An instant, to the millisecond, as the server keeps it."""
    day, time, fraction, zone = FORM.fullmatch(text).groups()
    zone = "+00:00" if zone == "Z" else zone
    return datetime.datetime.fromisoformat(f"{day}T{time}.{(fraction or '0')[:3]:0<3}{zone}")


def now():
    """The time by the clock of this machine."""
    return datetime.datetime.now(datetime.timezone.utc)
