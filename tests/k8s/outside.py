"""Rules for the way in from outside of the cluster, through a Gateway: which calls may come, and how they are secured."""

import re

from objects import is_there, rule
from rendering import ROOT, SERVICES


def contracts():
    """Returns the services of the contracts by their whole names, each with the folder that it is in."""
    found = {}
    for path in sorted((ROOT / "proto/api/happypath").rglob("*.proto")):
        text = path.read_text()
        package = re.search(r"^package ([\w.]+);", text, re.M).group(1)
        for name in re.findall(r"^service (\w+)", text, re.M):
            found[f"{package}.{name}"] = package.split(".")[1]
    return found


@rule(
    "GRPCRoute",
    why="each call from outside goes to the owner of its contract; what all services serve is asked from inside",
)
def grpc_route(rendering, item):
    spec, known = item["spec"], contracts()
    if not spec.get("hostnames") or any("*" in it for it in spec["hostnames"]):
        yield "it takes calls for names that are not ours"
    if any("sectionName" not in it for it in spec.get("parentRefs", [{}])):
        yield "it listens wherever its Gateway does, in plain text too"
    for one in spec["rules"]:
        methods = [it["method"] for it in one.get("matches", [{"method": {}}])]
        owners = {known.get(it.get("service")) for it in methods if it.get("type", "Exact") == "Exact"}
        backends = one["backendRefs"]
        if len(methods) != 1 or not owners <= set(SERVICES) or owners != {it["name"] for it in backends}:
            yield f"{methods} is not one contract that goes to its owner alone"
        for backend in backends:
            service = rendering.find("Service", backend["name"])
            ports = [it["port"] for it in service["spec"]["ports"] if it["name"] == "grpc"] if service else []
            if [backend.get("port")] != ports:
                yield f"{backend['name']} is not served at {backend.get('port')}"


@rule("BackendTLSPolicy", why="a Gateway talks to nobody who has no certificate of the authority of the installation")
def backend_tls_policy(rendering, item):
    spec = item["spec"]
    names = [it["name"] for it in spec["targetRefs"] if it["kind"] == "Service"]
    own = rendering.find("Certificate", item["metadata"]["name"])
    if names != [item["metadata"]["name"]] or rendering.find("Service", names[0]) is None:
        yield "it is not about the Service of its name"
    if own is None or spec["validation"]["hostname"] not in own["spec"]["dnsNames"]:
        yield "no certificate of that service has its hostname"
    for reference in spec["validation"].get("caCertificateRefs", [{"kind": "", "name": "public authorities"}]):
        if not is_there(rendering, reference["kind"], reference["name"]):
            yield f"{reference['name']} is neither here nor in BROUGHT"


@rule("ReferenceGrant", why="a Gateway elsewhere may read the one certificate that it shows to services, and nothing else")
def reference_grant(rendering, item):
    spec = item["spec"]
    if [it["kind"] for it in spec["from"]] != ["Gateway"]:
        yield "others than a Gateway may read"
    certificates = [it["spec"] for it in rendering.of("Certificate")]
    made = {it["secretName"] for it in certificates if it["usages"] == ["digital signature", "client auth"]}
    for target in spec["to"]:
        if target["kind"] != "Secret" or target.get("name") not in made:
            yield f"it lets {target.get('name', 'all')} be read, which is no certificate of a client"
