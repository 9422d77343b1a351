"""Verifies what Happypath posts: deliveries of channels and batches of subscriptions.

Both are signed to the Standard Webhooks specification (https://www.standardwebhooks.com).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Seconds by which the time of a post may be off, as the specification advises.
TOLERANCE_SECONDS = 300
_PREFIX = "whsec_"


class WebhookRefused(Exception):
    """A post that is not to be trusted: answer it with 401, and do nothing else."""


@dataclass(frozen=True)
class Delivery:
    """A post that was signed with the secret.

    Attributes:
        id: Its id. The same post made again has the same one: who has seen it answers 200 and does nothing.
        time: When it was made, in seconds since the epoch.
        payload: The JSON of its body.
    """

    id: str
    time: int
    payload: Any


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    secrets: str | Sequence[str],
    *,
    tolerance: float = TOLERANCE_SECONDS,
    now: float | None = None,
) -> Delivery:
    """Checks the signature and the time of a post.

    Args:
        body: The body as it came, before anything reads it.
        headers: The headers, in any case.
        secrets: The secret of the channel or subscription, `whsec_…`, or several while one takes the place of another.
        tolerance: Seconds by which the time of the post may be off.
        now: The time in seconds since the epoch; None for that of the clock.

    Returns:
        What was posted.

    Raises:
        WebhookRefused: A header is missing, the time is too far off, no signature is right, or the body is no JSON.
        ValueError: A secret is none.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        post, instant, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as error:
        raise WebhookRefused(f"the header {error.args[0]} is missing") from None
    sent = _seconds(instant)
    if abs((time.time() if now is None else now) - sent) > tolerance:
        raise WebhookRefused(f"webhook-timestamp {instant} is more than {tolerance:g} seconds off")
    content = body.encode() if isinstance(body, str) else body
    signed = f"{post}.{instant}.".encode() + content
    expected = [_signature(secret, signed) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    shown = [text.removeprefix("v1,").encode() for text in signatures.split(" ") if text.startswith("v1,")]
    if not any(hmac.compare_digest(one, other) for one in expected for other in shown):
        raise WebhookRefused("no signature is that of this secret")
    try:
        return Delivery(post, sent, json.loads(content))
    except ValueError as error:
        raise WebhookRefused(f"the body is no JSON: {error}") from None


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise WebhookRefused(f"webhook-timestamp {text!r} is no number of seconds")
    return int(text)


def _signature(secret: str, signed: bytes) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError("a secret is `whsec_` and bytes in base64, as in the definition of the channel or subscription")
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
