"""Where a client calls, by which credentials, and with which settings of the connection."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import grpc

# The port of `happypath dev`.
_PORT = 7400
# Bytes of the largest answer that is taken. Services keep theirs below 4 MiB, and leave room for the future.
_ANSWER_BYTES = 16 * 1024 * 1024
_OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.primary_user_agent", f"happypath-python/{version('happypath')}"),
    ("grpc.max_receive_message_length", _ANSWER_BYTES),
    # A peer that is gone without a word is noticed within a minute.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Calls are made again within seconds, so connections have to be.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # All replicas behind a name get calls.
    ("grpc.service_config", '{"loadBalancingConfig":[{"round_robin":{}}]}'),
)

Key = str | Callable[[], str] | None
Tls = bool | bytes | grpc.ChannelCredentials | None


@dataclass(frozen=True)
class Target:
    """A place to call.

    Attributes:
        place: Host and port.
        credentials: The credentials of the channel; None for plain text.
        options: The settings of the channel.
    """

    place: str
    credentials: grpc.ChannelCredentials | None
    options: Sequence[tuple[str, Any]] = field(default=_OPTIONS)
    key: Key = field(default=None, repr=False)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Returns what each call carries: the key, as it is at this moment."""
        key = self.key() if callable(self.key) else self.key
        return (("authorization", f"Bearer {key}"),) if key else ()


def target(address: str, key: Key, tls: Tls) -> Target:
    """Reads an address.

    Args:
        address: `https://host`, `http://host:port`, or `host:port`: plain text where that is this machine, and TLS anywhere else.
        key: An API key or a token, or a function that returns one before each call.
        tls: True for TLS with the authorities of the system, the authorities themselves in PEM, credentials of grpc for
            mutual TLS, False for plain text. None goes by the address.

    Raises:
        ValueError: The address is none, or contradicts `tls`.
    """
    scheme, host, port = _parts(address)
    if scheme == "https" and tls is False:
        raise ValueError(f"address: {address} wants TLS, and tls=False forbids it: change one of them")
    if scheme == "http" and tls:
        raise ValueError(f"address: {address} is plain text, and tls asks for TLS: write https:// or leave tls out")
    if tls is None:
        tls = scheme == "https" or (scheme == "" and not _is_here(host))
    default = {"https": 443, "http": 80}.get(scheme, _PORT)
    place = f"[{host}]" if ":" in host else host
    return Target(f"{place}:{port or default}", _credentials(tls), key=key)


def _parts(address: str) -> tuple[str, str, int | None]:
    scheme, separator, _ = address.partition("://")
    try:
        parts = urlsplit(address if separator else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"address: {address!r} is none: {error}") from None
    if (
        not host
        or (separator and scheme not in ("http", "https"))
        or parts.path not in ("", "/")
        or parts.query
        or parts.username
    ):
        raise ValueError(f"address: {address!r} is none: write http://127.0.0.1:7400, https://happypath.example or host:port")
    return (scheme if separator else ""), host, port


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _credentials(tls: bool | bytes | grpc.ChannelCredentials) -> grpc.ChannelCredentials | None:
    if isinstance(tls, bool):
        return grpc.ssl_channel_credentials() if tls else None
    return grpc.ssl_channel_credentials(tls) if isinstance(tls, bytes) else tls
