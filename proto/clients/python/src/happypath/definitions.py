"""Definitions as programs write them, and as they are sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import json_format

from happypath.definition.v1 import definition_service_pb2 as definition
from happypath.events import new_id

Definition = definition.Definition


def apply_request(
    definitions: Iterable[Definition | Mapping[str, Any]], validate_only: bool, if_match: Iterable[str]
) -> definition.ApplyDefinitionsRequest:
    """Returns a request to create or update definitions.

    Raises:
        ValueError: A definition has a field that its contract does not have, or a value that does not fit.
    """
    read = [_read(number, each) for number, each in enumerate(definitions)]
    return definition.ApplyDefinitionsRequest(
        request_id=new_id(), definitions=read, validate_only=validate_only, if_match=if_match
    )


def _read(number: int, given: Definition | Mapping[str, Any]) -> Definition:
    if isinstance(given, Definition):
        return given
    try:
        return json_format.ParseDict(dict(given), Definition())
    except json_format.ParseError as error:
        raise ValueError(f"definitions[{number}]: {error}") from None
