"""The messages of `io.cloudevents.v1`, as the specification has them, made by the public runtime of protobuf."""

import datetime
import json

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

FIELD = descriptor_pb2.FieldDescriptorProto
ONE, MANY = FIELD.LABEL_OPTIONAL, FIELD.LABEL_REPEATED
PACKAGE = "io.cloudevents.v1"
EVENT, ATTRIBUTE = f".{PACKAGE}.CloudEvent", f".{PACKAGE}.CloudEvent.CloudEventAttributeValue"
ENTRY = f".{PACKAGE}.CloudEvent.AttributesEntry"


def message(into, name, fields, oneof=None, first_of_oneof=0):
    """Adds a message with fields: name, kind and, where it is a message, which."""
    made = into.add(name=name)
    if oneof:
        made.oneof_decl.add(name=oneof)
    for number, (field, kind, which, label) in enumerate(fields, 1):
        added = made.field.add(name=field, number=number, type=kind, label=label)
        if which:
            added.type_name = which
        if oneof and number > first_of_oneof:
            added.oneof_index = 0
    return made


def classes():
    """The classes of an event and of a batch."""
    file = descriptor_pb2.FileDescriptorProto(name="cloudevents.proto", package=PACKAGE, syntax="proto3")
    file.dependency.extend([any_pb2.DESCRIPTOR.name, timestamp_pb2.DESCRIPTOR.name])
    event = message(
        file.message_type,
        "CloudEvent",
        [
            ("id", FIELD.TYPE_STRING, None, ONE),
            ("source", FIELD.TYPE_STRING, None, ONE),
            ("spec_version", FIELD.TYPE_STRING, None, ONE),
            ("type", FIELD.TYPE_STRING, None, ONE),
            ("attributes", FIELD.TYPE_MESSAGE, ENTRY, MANY),
            ("binary_data", FIELD.TYPE_BYTES, None, ONE),
            ("text_data", FIELD.TYPE_STRING, None, ONE),
            ("proto_data", FIELD.TYPE_MESSAGE, ".google.protobuf.Any", ONE),
        ],
        "data",
        5,
    )
    entry = message(
        event.nested_type,
        "AttributesEntry",
        [("key", FIELD.TYPE_STRING, None, ONE), ("value", FIELD.TYPE_MESSAGE, ATTRIBUTE, ONE)],
    )
    entry.options.map_entry = True
    message(
        event.nested_type,
        "CloudEventAttributeValue",
        [
            ("ce_boolean", FIELD.TYPE_BOOL, None, ONE),
            ("ce_integer", FIELD.TYPE_INT32, None, ONE),
            ("ce_string", FIELD.TYPE_STRING, None, ONE),
            ("ce_bytes", FIELD.TYPE_BYTES, None, ONE),
            ("ce_uri", FIELD.TYPE_STRING, None, ONE),
            ("ce_uri_ref", FIELD.TYPE_STRING, None, ONE),
            ("ce_timestamp", FIELD.TYPE_MESSAGE, ".google.protobuf.Timestamp", ONE),
        ],
        "attr",
    )
    message(file.message_type, "CloudEventBatch", [("events", FIELD.TYPE_MESSAGE, EVENT, MANY)])
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return [message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in ("CloudEvent", "CloudEventBatch")]


CloudEvent, CloudEventBatch = classes()


def built(event, data, kind):
    """One event as a message."""
    made = CloudEvent(id=event["id"], source=event["source"], spec_version="1.0", type=event["type"])
    made.attributes["datacontenttype"].ce_string = kind
    made.attributes["subject"].ce_string = event["subject"]
    for name, value in event.get("extensions", {}).items():
        made.attributes[name].ce_string = value
    if "time" in event:
        made.attributes["time"].ce_timestamp.FromDatetime(datetime.datetime.fromisoformat(event["time"]))
    if isinstance(data, bytes):
        made.binary_data = data
    elif isinstance(data, str):
        made.text_data = data
    else:
        made.binary_data = json.dumps(data).encode()
    return made


def requests(mode, events):
    """The requests for some events, each with its data and the type of that."""
    made = [built(*event) for event in events]
    if mode == "batch":
        kind = {"content-type": "application/cloudevents-batch+protobuf"}
        return [(kind, CloudEventBatch(events=made).SerializeToString())]
    kind = {"content-type": "application/cloudevents+protobuf"}
    return [(kind, event.SerializeToString()) for event in made]
