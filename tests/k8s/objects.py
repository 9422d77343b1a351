"""One rule for each kind of object: what it may be like, and why. An object whose kind has no rule is a fault."""

import json
import re
from fnmatch import fnmatch

from metrics import declared
from rendering import ROOT, SERVICES

PART = "happypath"
CLUSTER_WIDE = {"Namespace", "PriorityClass"}
# Objects that the manifests name and do not make, each with who makes it.
BROUGHT = {
    ("Secret", "happypath-stores"): "operators of Redis and PostgreSQL, or whoever installs",
    ("Secret", "happypath-migration"): "whoever installs: the database with a user who may create tables",
    ("Secret", "happypath-secret-keys"): "whoever installs: `happypath secrets generate-key`",
    ("Secret", "happypath-store-authorities"): "operators of Redis and PostgreSQL",
    ("Secret", "happypath-metrics"): "whoever installs: a key with the scope metrics:read",
    ("Secret", "happypath-audit"): "whoever installs: a key with the scope audit:read",
    ("Secret", "*-tls"): "cert-manager",
    ("ConfigMap", "happypath-access"): "whoever installs a base with components/access-file",
    ("ConfigMap", "happypath-authority"): "whoever installs components/edge-tls",
}


def rule(*kinds, why):
    """Marks a function as the rule of kinds, with its reason."""

    def mark(function):
        for kind in kinds:
            RULES[kind] = (why, function)
        return function

    return mark


RULES = {}


def labels_of(item):
    """Returns the labels of an object."""
    return item["metadata"].get("labels", {})


def template_of(item):
    """Returns the template of the pods of a workload."""
    spec = item["spec"]["jobTemplate"]["spec"] if item["kind"] == "CronJob" else item["spec"]
    return spec["template"]


def is_there(rendering, kind, name):
    """Returns whether an object is in the manifests, or brought by somebody."""
    return bool(rendering.find(kind, name)) or any(kind == own and fnmatch(name, pattern) for own, pattern in BROUGHT)


@rule("Namespace", why="pods that want more rights than `restricted` gives are refused by the cluster itself")
def namespace(rendering, item):
    levels = [labels_of(item).get(f"pod-security.kubernetes.io/{mode}") for mode in ("enforce", "audit", "warn")]
    if levels != ["restricted"] * 3:
        yield f"its levels of Pod Security are {levels}"


@rule(
    "PriorityClass",
    why="services go before ordinary work, never before what belongs to the cluster, and nobody has it unasked",
)
def priority_class(rendering, item):
    if item.get("globalDefault") or not 0 < item["value"] < 1_000_000:
        yield "it is for everybody, or as high as what belongs to the cluster"


@rule("ServiceAccount", why="services ask nothing of Kubernetes, so that a token would only be something to steal")
def service_account(rendering, item):
    if item.get("automountServiceAccountToken") is not False:
        yield "its token is mounted"
    users = [
        it
        for it in rendering.of("Deployment", "Job", "CronJob")
        if template_of(it)["spec"].get("serviceAccountName") == item["metadata"]["name"]
    ]
    if len(users) != 1:
        yield f"{len(users)} workloads use it, and each should have one of its own"


@rule(
    "Service",
    why="clients of gRPC choose among all addresses of a headless Service themselves: one virtual address is one pod",
)
def service(rendering, item):
    spec = item["spec"]
    if spec.get("clusterIP") != "None":
        yield "it is not headless"
    if spec.get("publishNotReadyAddresses"):
        yield "it sends callers to pods that are not ready"
    found = [
        it
        for it in rendering.of("Deployment", "StatefulSet")
        if spec["selector"].items() <= template_of(it)["metadata"]["labels"].items()
    ]
    if len(found) != 1:
        yield f"{len(found)} workloads have the labels that it selects"
    for own in found:
        names = [port["name"] for it in template_of(own)["spec"]["containers"] for port in it.get("ports", [])]
        yield from (
            f"its target {port['targetPort']} is no port of a container"
            for port in spec["ports"]
            if port["targetPort"] not in names
        )


@rule("PodDisruptionBudget", why="drains take one pod at a time, and one that serves nobody holds no drain up")
def disruption_budget(rendering, item):
    spec = item["spec"]
    if spec.get("maxUnavailable") != 1 or spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
        yield "expected maxUnavailable 1 and unhealthyPodEvictionPolicy AlwaysAllow"
    own = rendering.find("Deployment", item["metadata"]["name"])
    if own is None or own["spec"]["selector"] != spec["selector"]:
        yield "it is not about the pods of the Deployment of its name"


@rule(
    "HorizontalPodAutoscaler",
    why="replicas follow the load; a move of partitions costs, so that it goes down slowly and one by one",
)
def autoscaler(rendering, item):
    spec = item["spec"]
    target = rendering.find("Deployment", spec["scaleTargetRef"]["name"])
    if target is None or "replicas" in target["spec"]:
        yield "its Deployment is not there, or says how many replicas it has and takes back each change with the next apply"
    if spec["minReplicas"] < 2 and rendering.target != "overlays/dev":
        yield "one replica is none while it is replaced"
    down = spec["behavior"]["scaleDown"]
    if down["stabilizationWindowSeconds"] < 300 or down["policies"] != [
        {"type": "Pods", "value": 1, "periodSeconds": 60}
    ]:
        yield "it goes down fast"
    for metric in spec["metrics"]:
        if metric["type"] == "Pods" and metric["pods"]["metric"]["name"] not in declared():
            yield f"no service declares {metric['pods']['metric']['name']}"
        if metric["type"] == "Pods" and spec["scaleTargetRef"]["name"] in ("identity", "gateway"):
            yield "it reads no stream, and has no lag"
    if all(metric["type"] != "Resource" for metric in spec["metrics"]):
        yield "it does not look at the processor"


@rule("NetworkPolicy", why="tests/k8s/network.py holds every connection that it opens against what the programs do")
def network_policy(rendering, item):
    if not item["spec"].get("policyTypes"):
        yield "it does not say which directions it is about"


@rule(
    "ConfigMap", why="it holds settings that the programs know, callers by their hashes, or dashboards: nothing secret"
)
def config_map(rendering, item):
    for name, text in item["data"].items():
        if name.endswith(".json"):
            json.loads(text)
        elif name == "access.yaml":
            if re.search(r"^\s*-", text, re.M):
                yield "it names callers: those of an installation do not belong here"
        elif not name.startswith("HAPPYPATH_"):
            yield f"nobody reads {name}"
        elif name in ("HAPPYPATH_HOT_STORE", "HAPPYPATH_DATABASE") or "://" in text and "@" in text:
            yield f"{name} may hold a password: a Secret is for that"


@rule("Secret", why="secrets are made where they are used; the throw-away stores of dev alone have theirs here")
def secret(rendering, item):
    if rendering.target != "overlays/dev":
        yield "its values stand in the repository"


@rule("Issuer", why="certificates are of one authority of the installation, which nobody else has")
def issuer(rendering, item):
    if "ca" in item["spec"]:
        made = [it["spec"]["secretName"] for it in rendering.of("Certificate") if it["spec"].get("isCA")]
        if item["spec"]["ca"]["secretName"] not in made:
            yield "no Certificate makes its authority"


@rule(
    "Certificate", why="keys are new with each renewal, which is early enough for services to read it before they warn"
)
def certificate(rendering, item):
    spec, name = item["spec"], item["metadata"]["name"]
    if rendering.find(spec["issuerRef"]["kind"], spec["issuerRef"]["name"]) is None:
        yield "its issuer is not there"
    if hours(spec["renewBefore"]) <= 7 * 24 or hours(spec["renewBefore"]) >= hours(spec["duration"]):
        yield "services warn for the last seven days: renewBefore has to be longer, and shorter than duration"
    if spec.get("isCA"):
        return
    if spec["privateKey"]["rotationPolicy"] != "Always":
        yield "a renewal keeps the key"
    if name in SERVICES and not {name, f"{name}.happypath.svc.cluster.local"} <= set(spec["dnsNames"]):
        yield "it does not have the names of the Service"
    if name in SERVICES and not {"server auth", "client auth"} <= set(spec["usages"]):
        yield "a service is server and client"
    users = ("Deployment", "CronJob", "ServiceMonitor", "ReferenceGrant")
    used = [it for it in rendering.of(*users) if spec["secretName"] in json.dumps(it)]
    if not used:
        yield "nobody uses it"


def hours(text):
    """Reads a duration of whole hours."""
    return int(text.removesuffix("h"))


@rule("ServiceMonitor", why="Prometheus reads each pod of one service, with a credential")
def service_monitor(rendering, item):
    found = [
        it for it in rendering.of("Service") if item["spec"]["selector"]["matchLabels"].items() <= labels_of(it).items()
    ]
    if [it["metadata"]["name"] for it in found] != [item["metadata"]["name"]]:
        yield "it is not about the Service of its name alone"
    for endpoint in item["spec"]["endpoints"]:
        if endpoint["port"] not in [port["name"] for it in found for port in it["spec"]["ports"]]:
            yield f"the Service has no port {endpoint['port']}"
        if not endpoint.get("honorLabels"):
            yield "the label `service` of metrics would be called exported_service"
        if {"targetLabel": "system", "replacement": "happypath"} not in endpoint.get("relabelings", []):
            yield "alerts do not tell it from a service of the same name"
        if endpoint.get("authorization", {}).get("credentials", {}).get("name") != "happypath-metrics":
            yield "it shows no key, and services give metrics to nobody without"
        if endpoint["scheme"] == "https" and endpoint["tlsConfig"].get("serverName") != item["metadata"]["name"]:
            yield "certificates have the name of the service, and pods are read by their addresses"


@rule("PrometheusRule", why="promtool checks it, and tests/k8s/alerts makes each alert fire and clear")
def prometheus_rule(rendering, item):
    if rendering.target == "overlays/prod" and not rendering.of("ServiceMonitor"):
        yield "nothing is measured"


@rule("Deployment", why="a service: without rights, apart from its like, measured, and ended in order")
def deployment(rendering, item):
    spec, pod = item["spec"], template_of(item)["spec"]
    yield from pods(rendering, item)
    if "replicas" in spec:
        yield "how many replicas there are is up to the HorizontalPodAutoscaler"
    if spec["strategy"]["rollingUpdate"] != {"maxSurge": 1, "maxUnavailable": 0}:
        yield "a new pod has to be there before an old one goes"
    if pod.get("priorityClassName") != PART:
        yield "it has no priority"
    keys = {it["topologyKey"] for it in pod["topologySpreadConstraints"]}
    if keys != {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}:
        yield "its pods are not spread over zones and nodes"
    for constraint in pod["topologySpreadConstraints"]:
        if constraint.get("matchLabelKeys") != ["app.kubernetes.io/name", "pod-template-hash"]:
            yield "pods of other services or versions count for its spread"
    for container in pod["containers"]:
        if "sleep" not in container.get("lifecycle", {}).get("preStop", {}):
            yield "it ends before callers have heard that it does"
    if pod["serviceAccountName"] != item["metadata"]["name"]:
        yield "it has no ServiceAccount of its own"
    for kind in ("PodDisruptionBudget", "HorizontalPodAutoscaler", "Service", "NetworkPolicy"):
        if rendering.find(kind, item["metadata"]["name"]) is None:
            yield f"it has no {kind} of its name"


@rule(
    "StatefulSet",
    why="a throw-away store of dev, which keeps its data over a restart; production has operators for that",
)
def stateful_set(rendering, item):
    yield from pods(rendering, item)
    if rendering.target != "overlays/dev":
        yield "stores of production are not run from here"
    if rendering.find("Service", item["spec"]["serviceName"]) is None:
        yield "its Service is not there"


@rule(
    "Job",
    why="migrations: without rights in the cluster, with a user of the database of their own, and once for each image",
)
def job(rendering, item):
    spec, pod = item["spec"], template_of(item)["spec"]
    yield from pods(rendering, item)
    (container,) = pod["containers"]
    tag = container["image"].rpartition(":")[2]
    if not item["metadata"]["name"].endswith(f"-{tag}"):
        yield f"its name does not end with {tag}: the template of a Job never changes, so that each image needs another one"
    if container.get("envFrom"):
        yield "it has the settings of services, whose names change with them, and its template never does"
    if not 3600 <= spec.get("ttlSecondsAfterFinished", 0) <= 7 * 86400:
        yield "its log is gone before anybody looks, or it stays for ever"
    if pod.get("restartPolicy") != "Never" or not 6 <= spec.get("backoffLimit", 0) <= 10:
        yield "expected restartPolicy Never and a backoffLimit from 6 to 10: a database may take minutes to be there"
    failing = [it["onExitCodes"]["values"] for it in spec.get("podFailurePolicy", {}).get("rules", [])]
    if failing != [[2, 3]]:
        yield "it tries again what no try mends: exit codes 2 and 3 of the command line"
    if pod.get("priorityClassName"):
        yield "it goes before ordinary work, and nobody waits for it: the version before serves meanwhile"
    secrets = {it["valueFrom"]["secretKeyRef"]["name"] for it in container["env"] if "valueFrom" in it}
    of_services = {
        it["valueFrom"]["secretKeyRef"]["name"]
        for deployment in rendering.of("Deployment")
        for own in template_of(deployment)["spec"]["containers"]
        for it in own["env"]
        if "valueFrom" in it
    }
    if secrets & of_services:
        yield f"it shares {sorted(secrets & of_services)} with services, which so have the rights of migrations"
    if rendering.find("NetworkPolicy", labels_of(item)["app.kubernetes.io/name"]) is None:
        yield "it has no NetworkPolicy of its name"


def pods(rendering, item):
    """The level `restricted` of Pod Security, and what it leaves open."""
    template = template_of(item)
    pod = template["spec"]
    # Kubernetes itself selects the pods of jobs.
    selected = item["spec"].get("selector", {}).get("matchLabels", {})
    if not selected.items() <= template["metadata"]["labels"].items():
        yield "its pods do not have the labels that it selects"
    if pod.get("automountServiceAccountToken") is not False or pod.get("enableServiceLinks") is not False:
        yield "its pods get a token, or variables about other Services"
    if any(pod.get(it) for it in ("hostNetwork", "hostPID", "hostIPC")):
        yield "its pods share something with the node"
    security = pod["securityContext"]
    if security.get("runAsNonRoot") is not True or not security.get("runAsUser", 0) > 0:
        yield "its pods may run as root: kubelet needs the number of a user to know that they do not"
    if security.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "its pods may make any system call"
    for volume in pod.get("volumes", []):
        yield from volumes(rendering, volume)
    for container in pod.get("initContainers", []) + pod["containers"]:
        yield from containers(container)
        names = {it["name"] for it in pod.get("volumes", [])} | {
            it["metadata"]["name"] for it in item["spec"].get("volumeClaimTemplates", [])
        }
        yield from (
            f"{it['name']} is mounted and not there"
            for it in container.get("volumeMounts", [])
            if it["name"] not in names
        )


def containers(container):
    """The rights, the sizes and the image of a container."""
    security = container.get("securityContext", {})
    wanted = {
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    if security != wanted:
        yield f"the rights of {container['name']} are not {wanted}"
    resources = container.get("resources", {})
    if set(resources.get("requests", {})) != {"cpu", "memory"} or set(resources.get("limits", {})) != {"memory"}:
        yield "expected requests of processor and memory, and a limit of memory alone: one of the processor makes calls late while it is idle"
    image = container["image"]
    tag = image.rpartition("/")[2].partition(":")[2]
    if not tag or tag == "latest":
        yield f"nobody knows what {image} will be"
    version = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
    if "happypath/" in image and tag != version:
        yield f"{image} is not of version {version}, which this tree is of"


def volumes(rendering, volume):
    """The kinds of volumes, and where they come from."""
    kind = next(it for it in volume if it != "name")
    if kind == "secret" and not is_there(rendering, "Secret", volume["secret"]["secretName"]):
        yield f"the Secret {volume['secret']['secretName']} is neither here nor in BROUGHT"
    if kind == "configMap" and not is_there(rendering, "ConfigMap", volume["configMap"]["name"]):
        yield f"the ConfigMap {volume['configMap']['name']} is neither here nor in BROUGHT"
    if kind == "emptyDir" and "sizeLimit" not in volume["emptyDir"]:
        yield f"{volume['name']} may fill the disk of the node"
    if kind == "persistentVolumeClaim" and not is_there(rendering, "PersistentVolumeClaim", volume[kind]["claimName"]):
        yield f"the PersistentVolumeClaim {volume[kind]['claimName']} is not there"
    if kind not in ("secret", "configMap", "emptyDir", "persistentVolumeClaim"):
        yield f"{volume['name']} is a {kind}"


def faults(rendering):
    """Lists all faults of all objects of a rendering."""
    found, names = [], set()
    for item in rendering.objects:
        kind, where = item["kind"], rendering.where(item)
        if (kind, item["metadata"]["name"]) in names:
            found.append(f"{where}: is there twice")
        names.add((kind, item["metadata"]["name"]))
        if kind not in RULES:
            found.append(f"{where}: has no rule in tests/k8s/objects.py that says why it may be as it is")
            continue
        found += [f"{where}: {fault}" for fault in RULES[kind][1](rendering, item)]
        if kind not in CLUSTER_WIDE and item["metadata"].get("namespace") != PART:
            found.append(f"{where}: is in no namespace, or in another one than the rest")
        if (
            kind not in CLUSTER_WIDE | {"ConfigMap", "Secret"}
            and labels_of(item).get("app.kubernetes.io/part-of") != PART
        ):
            found.append(f"{where}: does not say that it is part of happypath")
    return found
