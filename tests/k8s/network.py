"""Holds the network policies against what the programs do: every pair of pods, on every port that anybody listens on.

Policies are evaluated as the documentation of Kubernetes says: a pod that a policy of a direction selects is closed in that
direction, but for what one of them allows. What is expected comes from the settings and the sources; all else is closed.
"""

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import jobs
from configuration import WITHOUT_HOT_STORE, needs, secret_value
from objects import template_of
from rendering import SERVICES

PART = {"app.kubernetes.io/part-of": "happypath"}
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
# Ports beside those of services: SSH and HTTPS, which nobody of ours listens on, and those of stores and of others.
PORTS = (22, 53, 443, 4317, 5432, 6379, 7401, 7402, 7403, 7404, 7405, 7411, 9464)


@dataclass(frozen=True)
class End:
    """Somebody who sends or is sent to: a pod, or an address outside of the cluster."""

    name: str
    namespace: str = ""
    labels: tuple = ()
    address: str = ""
    # True where policies of these manifests decide about it.
    is_ours: bool = field(default=False, compare=False)


def pod(name, namespace, labels, is_ours=False):
    """Makes a pod."""
    return End(name, namespace, tuple(sorted(labels.items())), is_ours=is_ours)


STRANGERS = (
    pod("a caller", "shop", {"happypath-client": "true"}),
    pod("a stranger", "shop", {}),
    pod("prometheus", "monitoring", {"app.kubernetes.io/name": "prometheus"}),
    pod("a stranger in monitoring", "monitoring", {}),
    pod("edge", "edge", {"gateway.networking.k8s.io/gateway-name": "edge"}),
    pod("a stranger in edge", "edge", {}),
    pod("collector", "observability", {"app.kubernetes.io/name": "collector"}),
    pod("names", "kube-system", {"k8s-app": "kube-dns"}),
    pod("a stranger in kube-system", "kube-system", {}),
    pod("hot store elsewhere", "happypath-stores", {"app.kubernetes.io/component": "hot-store", **PART}),
    pod("database elsewhere", "happypath-stores", {"app.kubernetes.io/component": "database", **PART}),
    End("the internet", address="203.0.114.7"),
    End("a private network", address="10.1.2.3"),
    End("the metadata of the cloud", address="169.254.169.254"),
    End("the internet by IPv6", address="2606:2800::1"),
    End("a private network by IPv6", address="fd00::7"),
)


def ends(rendering):
    """Returns all that may talk in a rendering: its own pods, one that nobody knows, and strangers."""
    own = [pod("somebody in happypath", "happypath", {}, is_ours=True)]
    for item in rendering.of("Deployment", "StatefulSet", "Job", "CronJob"):
        labels = template_of(item)["metadata"]["labels"]
        own.append(pod(item["metadata"]["name"], "happypath", labels, is_ours=True))
    return [*own, *STRANGERS]


def selects(selector, labels):
    """Returns whether a selector of labels fits."""
    labels = dict(labels)
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions", []):
        if expression["operator"] != "In":
            raise SystemExit(f"tests/k8s/network.py does not know the operator {expression['operator']}")
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True


def fits_peer(peer, end):
    """Returns whether a peer of a rule is this one."""
    if "ipBlock" in peer:
        if not end.address:
            return False
        address = ipaddress.ip_address(end.address)
        inside = lambda block: address in ipaddress.ip_network(block)
        return inside(peer["ipBlock"]["cidr"]) and not any(map(inside, peer["ipBlock"].get("except", [])))
    if end.address:
        return False
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], {NAMESPACE_LABEL: end.namespace}.items()):
            return False
    elif end.namespace != "happypath":
        return False
    return selects(peer.get("podSelector", {}), end.labels)


def fits_port(ports, port):
    """Returns whether a rule is about a port, by TCP."""
    if not ports:
        return True
    return any(it["protocol"] == "TCP" and it["port"] <= port <= it.get("endPort", it["port"]) for it in ports)


def is_open(policies, end, direction, other, port):
    """Returns whether the policies of an end let something through in a direction."""
    if not end.is_ours:
        return True
    of_it = [
        it["spec"]
        for it in policies
        if direction in it["spec"]["policyTypes"] and selects(it["spec"]["podSelector"], end.labels)
    ]
    side, key = ("from", "ingress") if direction == "Ingress" else ("to", "egress")
    rules = [rule for spec in of_it for rule in spec.get(key, [])]
    return not of_it or any(
        fits_port(rule.get("ports"), port) and any(fits_peer(peer, other) for peer in rule[side]) for rule in rules
    )


def expected(rendering, services):
    """Returns every connection that somebody needs, as (from, to, port), with the reason."""
    wanted = {}
    everybody = ends(rendering)
    for end in everybody:
        if end.is_ours:
            wanted[(end.name, "names", 53)] = "names"
    for item, _, container in jobs.all_of(rendering):
        for address in jobs.peers(container).values():
            wanted[(item["metadata"]["name"], address.hostname, address.port)] = "what its command asks"
    for route in rendering.of("HTTPRoute"):
        for backend in (it for one in route["spec"]["rules"] for it in one["backendRefs"]):
            wanted[("edge", backend["name"], backend["port"])] = "calls from outside"
    names = [own.service for own in services]
    for own in services:
        service, port = own.service, own.port("listen")
        wanted[("a caller", service, port)] = "whoever has the label happypath-client"
        for peer in needs(service):
            if peer in names:
                wanted[(service, peer, 7401 + SERVICES.index(peer))] = "references of definitions, or calls that are handed on"
        stores = (("hot_store", "hot store"), ("database", "database"))
        for key, component in stores[1:] if service in WITHOUT_HOT_STORE else stores:
            near, place = store(rendering, secret_name(own.container), key, component)
            wanted[(service, near, place)] = f"the {component}"
        if own.port("metrics_listen"):
            wanted[("prometheus", service, own.port("metrics_listen"))] = "metrics"
        if "otlp_endpoint" in own.settings:
            wanted[(service, "collector", own.port("otlp_endpoint"))] = "telemetry"
        if service in ("activation", "gateway") and own.settings["outbound_allow"] == "public":
            for port in PORTS:
                wanted[(service, "the internet", port)] = "webhooks"
                wanted[(service, "the internet by IPv6", port)] = "webhooks"
    for job in rendering.of("Job"):
        name = secret_name(job["spec"]["template"]["spec"]["containers"][0])
        near, place = store(rendering, name, "database", "database")
        wanted[(job["metadata"]["name"], near, place)] = "migrations"
    return wanted


def store(rendering, secret, key, component):
    """Returns the end and the port of a store, as an entry of a Secret says them."""
    address = urlsplit(secret_value(rendering, secret, key))
    return address.hostname if "." not in address.hostname else f"{component} elsewhere", address.port


def secret_name(container):
    """Returns the name of the Secret that says where the stores of a container are."""
    for variable in container["env"]:
        if variable["name"] == "HAPPYPATH_DATABASE":
            return variable["valueFrom"]["secretKeyRef"]["name"]
    raise SystemExit(f"{container['name']} has no HAPPYPATH_DATABASE")


def faults(rendering, services):
    """Lists connections that are needed and closed, and those that are open and needed by nobody."""
    policies = rendering.of("NetworkPolicy")
    everybody, found = ends(rendering), []
    wanted = expected(rendering, services)
    # A base alone does not know in which namespace the stores are, and names those of its own by their labels.
    known = {end.name for end in everybody}
    wanted = {way: why for way, why in wanted.items() if way[0] in known and way[1] in known}
    if rendering.target.startswith("bases/"):
        wanted = {way: why for way, why in wanted.items() if not way[1].endswith(" elsewhere")}
    for source in everybody:
        for target in everybody:
            if source == target or not (source.is_ours or target.is_ours):
                continue
            for port in PORTS:
                leaves = is_open(policies, source, "Egress", target, port)
                enters = is_open(policies, target, "Ingress", source, port)
                reason = wanted.get((source.name, target.name, port))
                way = f"{rendering.target}: from {source.name} to {target.name}, port {port}"
                if reason and not (leaves and enters):
                    found.append(f"{way}: is closed, and is needed for {reason}")
                # Each side by itself: one that is too wide is a fault, though the other one may close the way.
                if not reason and (source.is_ours and leaves or target.is_ours and enters):
                    found.append(f"{way}: is open, and nobody needs it")
    return found
