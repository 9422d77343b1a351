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


def tracked():
    """Returns whether a path is one of the tracking API, by the source of the gateway."""
    source = (ROOT / "services/gateway-core/src/route.rs").read_text()
    body = source[: source.index("#[cfg(test)]")]
    under = re.search(r'strip_prefix\("(/v1/)"\)', body).group(1)
    names = set(re.findall(r'"([a-zA-Z/0-9]+)"', body))
    names |= {under + name for name in names | {"projects"}} | set(re.findall(r'strip_prefix\("(/\w+)/"\)', body)) - {"/v1"}
    return lambda path: path in names or any(name.startswith(f"{path}/") for name in names if not name.startswith(under))


@rule(
    "HTTPRoute",
    why="calls of the services that decide come from outside, and what SDKs send; what all services serve is asked from inside",
)
def http_route(rendering, item):
    spec, known, is_tracked = item["spec"], contracts(), tracked()
    if not spec.get("hostnames") or any("*" in it for it in spec["hostnames"]):
        yield "it takes calls for names that are not ours"
    if any("sectionName" not in it for it in spec.get("parentRefs", [{}])):
        yield "it listens wherever its Gateway does, in plain text too"
    service = rendering.find("Service", "gateway")
    ports = [it["port"] for it in service["spec"]["ports"] if it["name"] == "grpc"] if service else []
    for one in spec["rules"]:
        if [(it["name"], it["port"]) for it in one["backendRefs"]] != [("gateway", port) for port in ports]:
            yield f"{one['backendRefs']} is not the gateway at its port"
        for match in one.get("matches", [{}]):
            path = match.get("path", {"value": "/"})
            owner = known.get(path["value"].removeprefix("/"))
            decides = owner in SERVICES and owner != "gateway"
            if not decides and not is_tracked(path["value"]):
                yield f"{path['value']} is neither a contract of one service nor a path of the tracking API"


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
