"""Calls a server that is known by its address only: contracts come from reflection, messages are dictionaries.

Holds no generated code. A call that fails is the finding; only ABORTED is tried again, where a check says so.
"""

import time

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

# How long a call may take, hostile ones included. Far above what an idle machine needs, far below a hang.
DEADLINE_SECONDS = 10
# How long what happens behind the answer may take: journeys, deliveries and their retries.
PATIENCE_SECONDS = 60


class Refused(Exception):
    """A call that was answered with an error, and its google.rpc details."""

    def __init__(self, error):
        self.code = error.code()
        self.message = error.details()
        self.violations = []
        self.reason = self.domain = None
        self.more = 0
        status = status_pb2.Status()
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                status.ParseFromString(value)
        for detail in status.details:
            self._read(detail)
        faults = "".join(f"\n  {field}: {description}" for field, description in self.violations)
        super().__init__(f"{self.code.name} {self.reason}: {self.message}{faults}")

    def _read(self, detail):
        bad, info = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo()
        if detail.Unpack(bad):
            self.violations = [(each.field, each.description) for each in bad.field_violations]
        elif detail.Unpack(info):
            self.reason, self.domain = info.reason, info.domain
            self.more = int(info.metadata.get("more_violations", 0))

    @property
    def fields(self):
        """The fields at fault, in the order of the answer."""
        return [field for field, _ in self.violations]


class Presented(grpc.UnaryUnaryClientInterceptor, grpc.StreamStreamClientInterceptor):
    """Shows a key with every call."""

    def __init__(self, key):
        self._metadata = [("authorization", f"Bearer {key}")]

    def intercept_unary_unary(self, continuation, details, request):
        """Adds it to a call with one message."""
        return continuation(details._replace(metadata=self._metadata), request)

    def intercept_stream_stream(self, continuation, details, requests):
        """Adds it to a call of reflection."""
        return continuation(details._replace(metadata=self._metadata), requests)


class Server:
    """One server, by address such as http://127.0.0.1:7400, and by a key where it asks for one."""

    def __init__(self, address, key=None):
        self.channel = grpc.insecure_channel(address.removeprefix("http://"))
        if key is not None:
            self.channel = grpc.intercept_channel(self.channel, Presented(key))
        self._reflection = ProtoReflectionDescriptorDatabase(self.channel)
        self._pool = DescriptorPool(self._reflection)
        self._health = health_pb2_grpc.HealthStub(self.channel)

    def services(self):
        """The full names of the services that reflection lists."""
        return set(self._reflection.get_services())

    def health(self, service=""):
        """The health of the server, or of one service, as text."""
        answer = self._health.Check(
            health_pb2.HealthCheckRequest(service=service), timeout=DEADLINE_SECONDS
        )
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

    def call(self, method, request):
        """Calls `package.Service/Method` and returns the answer as a dictionary with the names of the contract."""
        service, _, name = method.rpartition("/")
        contract = self._pool.FindServiceByName(service).FindMethodByName(name)
        message = json_format.ParseDict(request, message_factory.GetMessageClass(contract.input_type)())
        return self.call_raw(method, message.SerializeToString())

    def call_raw(self, method, request):
        """The same with bytes that need not be any message at all."""
        service, _, name = method.rpartition("/")
        contract = self._pool.FindServiceByName(service).FindMethodByName(name)
        answer_class = message_factory.GetMessageClass(contract.output_type)
        stub = self.channel.unary_unary(f"/{method}", response_deserializer=answer_class.FromString)
        try:
            answer = stub(request, timeout=DEADLINE_SECONDS)
        except grpc.RpcError as error:
            raise Refused(error) from None
        return json_format.MessageToDict(answer, preserving_proto_field_name=True)

    def call_again(self, method, request):
        """Calls, and sends the same request again as long as the answer is ABORTED, as its remedy says."""
        while True:
            try:
                return self.call(method, request)
            except Refused as refused:
                if refused.code is not grpc.StatusCode.ABORTED:
                    raise
                time.sleep(0.05)

    def refusal(self, method, request):
        """The error that a call is answered with; it must be one."""
        try:
            answer = self.call_raw(method, request) if isinstance(request, bytes) else self.call(method, request)
        except Refused as refused:
            return refused
        raise AssertionError(f"{method} should have been refused, and answered {answer}")


def until(what, look):
    """Looks until `look` returns something, and returns that. NOT_FOUND means that it is not there yet."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    found = None
    while time.monotonic() < deadline:
        try:
            found = look()
        except Refused as refused:
            if refused.code is not grpc.StatusCode.NOT_FOUND:
                raise
        if found:
            print(f"  {what}")
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE_SECONDS} s: {what}")
