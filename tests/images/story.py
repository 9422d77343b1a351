"""Runs all services from their images on a real Redis and a real PostgreSQL, and takes one event through."""

import json
import time
import urllib.request
from contextlib import ExitStack

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import stores

SERVICES = ["identity", "segmentation", "journey", "activation"]
GATEWAY = "gateway"
PATIENCE_SECONDS = 60
# The grace period of pods less their sleep before it: `terminationGracePeriodSeconds` and `preStop` in k8s/.
GRACE_SECONDS = 40
DEFINITIONS = """
segment: {name: buyers, expression: 'events("purchase").count() >= 1'}
---
channel: {name: shop, log: {}}
---
template: {name: thanks, text: {body: 'Thank you, {{ profile.name }}'}}
---
policy: {name: default, consent_by_default: true}
---
journey:
  name: thank_buyers
  entry: {triggers: [{segment_entered: buyers}], reentry: REENTRY_NEVER}
  steps: [{id: thank, send: {channel: shop, template: thanks, purpose: marketing}}]
"""


class Fault(Exception):
    """A promise that was not kept."""


def eventually(what, ask):
    """Asks again until the answer is true, and returns it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise Fault(f"{what} did not come to be within {PATIENCE_SECONDS} s")
        time.sleep(0.1)
    return answer


def is_ready(port):
    """Asks a service what the probe of its pod asks."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        request = health_pb2.HealthCheckRequest(service="readiness")
        try:
            return health_pb2_grpc.HealthStub(channel).Check(request, timeout=5).status == 1
        except grpc.RpcError:
            return False


def say(client, addresses, *arguments):
    """Runs a command of the command line from its image, and returns its answer."""
    done = client.run(*arguments, "--json", **addresses)
    if done.returncode:
        raise Fault(f"happypath {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def delivered(client, addresses):
    """Returns whether a message was delivered."""
    return '"DELIVERED"' in json.dumps(say(client, addresses, "activations", "stats"))


def send(gateway, event):
    """Sends an event over HTTP, as a program without any of our clients does."""
    body = json.dumps({"requestId": "image", "events": [event]}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{gateway}/v1/events:ingest", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        return json.load(answer)


def take_one_event_through(containers, addresses, gateway):
    """Defines a journey, sends a purchase through the gateway, and waits until the message that it causes is delivered."""
    client = containers["happypath"]
    say(client, addresses, "apply", "--file", "/volume/definitions.yaml")
    send(gateway, {"name": "purchase", "identifiers": {"user_id": "ada"}, "traits": {"name": "Ada"}})
    eventually("a delivery", lambda: delivered(client, addresses))
    customer = json.dumps(say(client, addresses, "customer", "user_id:ada"))
    if "buyers" not in customer or "thank_buyers" not in customer:
        raise Fault(f"the customer is in no segment, or in no journey: {customer}")


def play(containers, scratch):
    """Plays the story, and returns how long it took until all were ready, and until all had ended."""
    with ExitStack() as stack:
        redis = stack.enter_context(stores.redis())
        postgres = stack.enter_context(stores.postgres(scratch))
        ports = {service: stores.free_port() for service in [*SERVICES, GATEWAY]}
        probes = {service: stores.free_port() for service in ports}
        addresses = {f"HAPPYPATH_{name.upper()}_ADDRESS": f"http://localhost:{ports[name]}" for name in SERVICES}
        containers["happypath"].provide("volume/definitions.yaml", DEFINITIONS)
        # The Job of k8s/components/migration; services then leave tables alone.
        if not say(containers["happypath"], {"HAPPYPATH_DATABASE": postgres}, "migrate")["applied"]:
            raise Fault("nothing was lacking in an empty database")
        begun = time.monotonic()
        processes = {}
        for service, port in ports.items():
            settings = {
                "HAPPYPATH_LISTEN": f"127.0.0.1:{port}",
                "HAPPYPATH_HEALTH_LISTEN": f"127.0.0.1:{probes[service]}",
                **({} if service == GATEWAY else {"HAPPYPATH_HOT_STORE": redis}),
                "HAPPYPATH_DATABASE": postgres,
                "HAPPYPATH_MIGRATE": "off",
                "HAPPYPATH_PARTITIONS": "8",
                "HAPPYPATH_LOG_FORMAT": "json",
                **addresses,
            }
            processes[service] = containers[service].start(scratch / f"{service}.log", **settings)
            stack.callback(processes[service].kill)
        try:
            for service, port in probes.items():
                eventually(f"readiness of {service}", lambda port=port: is_ready(port))
            ready = time.monotonic() - begun
            take_one_event_through(containers, addresses, ports[GATEWAY])
            ended = 0.0
            for service, process in processes.items():
                code, seconds = process.stop(GRACE_SECONDS)
                ended = max(ended, seconds)
                if code:
                    raise Fault(f"{service} ended with {code} when it was told to end")
        except Exception:
            for process in processes.values():
                print(f"-- {process.log.name}", *process.log.read_text().splitlines()[-20:], sep="\n")
            raise
    return ready, ended
