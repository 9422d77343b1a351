"""Tries the rules on manifests that break them: each mistake is made in a copy of an overlay, and has to be found by its words."""

import configuration
import jobs
import mistakes_around
import network
import objects
import schemas
from parts import (
    container,
    deployment,
    migration,
    migration_container,
    pod,
    policy,
    remove,
    set_variable,
    settings,
    volume,
)
from rendering import Rendering

# What goes wrong, how, and words of the fault that tells it.
MISTAKES = [
    (
        "a container may write to its root",
        lambda r: container(r)["securityContext"].update(readOnlyRootFilesystem=False),
        "the rights of service",
    ),
    (
        "a container gets a capability",
        lambda r: container(r)["securityContext"].update(capabilities={"drop": ["ALL"], "add": ["NET_RAW"]}),
        "the rights of service",
    ),
    ("pods run as whoever the image says", lambda r: pod(r)["securityContext"].pop("runAsUser"), "may run as root"),
    ("pods may make any system call", lambda r: pod(r)["securityContext"].pop("seccompProfile"), "any system call"),
    ("a token is mounted", lambda r: pod(r).update(automountServiceAccountToken=True), "get a token"),
    (
        "a folder of the node is mounted",
        lambda r: pod(r)["volumes"].append({"name": "node", "hostPath": {"path": "/"}}),
        "node is a hostPath",
    ),
    (
        "a Secret is called by a wrong name",
        lambda r: volume(r, "activation", "secret-keys")["secret"].update(secretName="keys"),
        "neither here nor in BROUGHT",
    ),
    ("an image is the latest", lambda r: container(r).update(image="happypath/journey:latest"), "nobody knows what"),
    (
        "an image is of another version",
        lambda r: container(r).update(image="happypath/journey:0.0.9"),
        "is not of version",
    ),
    (
        "the processor has a limit",
        lambda r: container(r)["resources"]["limits"].update(cpu="1"),
        "limit of memory alone",
    ),
    (
        "memory is too small for requests",
        lambda r: container(r)["resources"]["limits"].update(memory="128Mi"),
        "its limit of memory is below",
    ),
    ("a Deployment says how many", lambda r: deployment(r).update(replicas=1), "how many"),
    (
        "pods end before calls have ended",
        lambda r: pod(r).update(terminationGracePeriodSeconds=20),
        "terminationGracePeriodSeconds is below",
    ),
    (
        "callers are not given time",
        lambda r: container(r)["lifecycle"].update(preStop={"exec": {"command": ["true"]}}),
        "before callers have heard",
    ),
    (
        "a probe asks another port",
        lambda r: container(r)["livenessProbe"]["grpc"].update(port=7403),
        "livenessProbe is not",
    ),
    (
        "liveness follows readiness",
        lambda r: container(r)["livenessProbe"]["grpc"].update(service="readiness"),
        "livenessProbe is not",
    ),
    (
        "a pod does not say why its process ended",
        lambda r: container(r).pop("terminationMessagePolicy"),
        "the last words of a process",
    ),
    (
        "a port of the container is wrong",
        lambda r: container(r)["ports"][1].update(containerPort=7499),
        "it listens on",
    ),
    (
        "a Service has one virtual address",
        lambda r: r.find("Service", "journey")["spec"].pop("clusterIP"),
        "not headless",
    ),
    (
        "a Service selects nobody",
        lambda r: r.find("Service", "journey")["spec"]["selector"].update({"app.kubernetes.io/name": "jorney"}),
        "0 workloads",
    ),
    (
        "a budget is for others",
        lambda r: r.find("PodDisruptionBudget", "journey")["spec"]["selector"]["matchLabels"].update(
            {"app.kubernetes.io/name": "identity"}
        ),
        "not about the pods",
    ),
    (
        "a budget holds drains up",
        lambda r: r.find("PodDisruptionBudget", "journey")["spec"].update(maxUnavailable=0),
        "maxUnavailable 1",
    ),
    (
        "scaling looks at a metric of nobody",
        lambda r: r.find("HorizontalPodAutoscaler", "journey")["spec"]["metrics"][1]["pods"]["metric"].update(
            name="lag"
        ),
        "no service declares lag",
    ),
    (
        "there are more replicas than partitions",
        lambda r: r.find("HorizontalPodAutoscaler", "journey")["spec"].update(maxReplicas=300),
        "more replicas than partitions",
    ),
    (
        "the namespace lets anything in",
        lambda r: r.find("Namespace", "happypath")["metadata"]["labels"].pop("pod-security.kubernetes.io/enforce"),
        "its levels of Pod Security",
    ),
    (
        "a variable is misspelt",
        lambda r: set_variable(container(r), "HAPPYPATH_DURABILTY", "hot"),
        "did you mean HAPPYPATH_DURABILITY",
    ),
    ("a value is wrong", lambda r: set_variable(container(r), "HAPPYPATH_LEASE_TTL", "1y"), "lease_ttl"),
    (
        "a file is not mounted",
        lambda r: set_variable(container(r), "HAPPYPATH_TLS_CA", "/etc/ssl/ca.crt"),
        "in a folder that is mounted whole",
    ),
    (
        "a service is asked at a wrong port",
        lambda r: set_variable(container(r), "HAPPYPATH_SEGMENTATION_ADDRESS", "https://segmentation:7404"),
        "is not where the Service",
    ),
    (
        "a service is asked in plain text",
        lambda r: set_variable(container(r), "HAPPYPATH_SEGMENTATION_ADDRESS", "http://segmentation:7402"),
        "is not where the Service",
    ),
    (
        "a service is told of one that it does not ask",
        lambda r: set_variable(container(r), "HAPPYPATH_IDENTITY_ADDRESS", "https://identity:7401"),
        "asks nothing there",
    ),
    (
        "a settings map holds a password",
        lambda r: settings(r).update(HAPPYPATH_DATABASE="postgres://a:b@c/d"),
        "may hold a password",
    ),
    (
        "callers of an installation are in the repository",
        lambda r: r.find("ConfigMap", "happypath-access")["data"].update({"access.yaml": "keys:\n- name: me\n"}),
        "it names callers",
    ),
    (
        "a Secret is in the repository",
        lambda r: r.objects.append(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "happypath"}}
        ),
        "its values stand",
    ),
    (
        "nothing is closed",
        lambda r: [remove(r, "NetworkPolicy", name) for name in ("default-deny", "names")],
        "somebody in happypath",
    ),
    ("a store cannot be reached", lambda r: policy(r, "journey")["egress"].pop(0), "is needed for the hot store"),
    (
        "activation reaches private networks",
        lambda r: policy(r, "activation")["egress"][-1]["to"][0]["ipBlock"].pop("except"),
        "the metadata of the cloud",
    ),
    (
        "journey reaches everybody",
        lambda r: policy(r, "journey")["egress"].append({"to": [{"podSelector": {}}]}),
        "is open, and nobody needs it",
    ),
    (
        "everybody reaches identity",
        lambda r: policy(r, "identity")["ingress"][0]["from"].append({"namespaceSelector": {}}),
        "from a stranger to identity",
    ),
    ("metrics are closed to Prometheus", lambda r: remove(r, "NetworkPolicy", "metrics"), "is needed for metrics"),
    (
        "journey is closed to activation",
        lambda r: policy(r, "activation")["ingress"][0]["from"].pop(),
        "is needed for references",
    ),
    (
        "a certificate has no names",
        lambda r: r.find("Certificate", "journey")["spec"].update(dnsNames=["x"]),
        "the names of the Service",
    ),
    (
        "a certificate is renewed late",
        lambda r: r.find("Certificate", "journey")["spec"].update(renewBefore="24h"),
        "renewBefore",
    ),
    (
        "metrics are read without a key",
        lambda r: r.find("ServiceMonitor", "journey")["spec"]["endpoints"][0].pop("authorization"),
        "it shows no key",
    ),
    (
        "a Job has the name of another image",
        lambda r: migration(r)["metadata"].update(name="migration-0.0.9"),
        "its name does not end with 0.1.0",
    ),
    ("a Job stays for ever", lambda r: migration(r)["spec"].pop("ttlSecondsAfterFinished"), "or it stays for ever"),
    ("a Job gives up at once", lambda r: migration(r)["spec"].update(backoffLimit=0), "may take minutes to be there"),
    ("a Job tries what no try mends", lambda r: migration(r)["spec"].pop("podFailurePolicy"), "what no try mends"),
    (
        "a Job may write to its root",
        lambda r: migration_container(r)["securityContext"].update(readOnlyRootFilesystem=False),
        "the rights of migrate",
    ),
    (
        "a Job has the settings of services",
        lambda r: migration_container(r).update(envFrom=[{"configMapRef": {"name": "happypath"}}]),
        "its template never does",
    ),
    (
        "services have the rights of migrations",
        lambda r: migration_container(r)["env"][0]["valueFrom"]["secretKeyRef"].update(name="happypath-stores"),
        "with services",
    ),
    (
        "a variable of a Job is misspelt",
        lambda r: set_variable(migration_container(r), "HAPPYPATH_INSTALATION", "shop"),
        "did you mean HAPPYPATH_INSTALLATION",
    ),
    ("a Job says a wrong word", lambda r: migration_container(r).update(args=["migrat"]), "unrecognized subcommand"),
    (
        "a Job is for another installation",
        lambda r: set_variable(migration_container(r), "HAPPYPATH_INSTALLATION", "shop"),
        "for another installation",
    ),
    (
        "a Job reaches Redis",
        lambda r: policy(r, "migration")["egress"].append(policy(r, "identity")["egress"][0]),
        "is open, and nobody needs it",
    ),
    ("a Job reaches no database", lambda r: policy(r, "migration").update(egress=[]), "is needed for migrations"),
    (
        "services make tables beside the Job",
        lambda r: set_variable(container(r), "HAPPYPATH_MIGRATE", "on"),
        "journey makes tables",
    ),
    ("nobody makes tables", lambda r: remove(r, "Job", migration(r)["metadata"]["name"]), "nobody makes the tables"),
    (
        "a kind has no rule",
        lambda r: r.objects.append(
            {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "x", "namespace": "happypath"}}
        ),
        "has no rule",
    ),
]
# Mistakes that schemas find.
MISFITS = [
    (
        "Deployment",
        lambda it: it["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]["grpc"].update(sevice="x"),
        "sevice",
    ),
    ("Job", lambda it: it["spec"].update(backofLimit=3), "backofLimit"),
    ("NetworkPolicy", lambda it: it["spec"].update(policyType=["Ingress"]), "policyType"),
    ("HorizontalPodAutoscaler", lambda it: it["spec"].update(minReplicas="2"), "minReplicas"),
    ("Certificate", lambda it: it["spec"].update(dnsName="x"), "dnsName"),
    ("Issuer", lambda it: it["spec"]["ca"].update(secretNam="x"), "secretNam"),
    ("ServiceMonitor", lambda it: it["spec"]["endpoints"][0].update(intervall="1m"), "intervall"),
    ("CronJob", lambda it: it["spec"].update(concurencyPolicy="Forbid"), "concurencyPolicy"),
    ("PersistentVolumeClaim", lambda it: it["spec"].update(accessMode=["ReadWriteOnce"]), "accessMode"),
    ("HTTPRoute", lambda it: it["spec"].update(hostname="x"), "hostname"),
    ("BackendTLSPolicy", lambda it: it["spec"]["validation"].update(hostnam="x"), "hostnam"),
    ("ReferenceGrant", lambda it: it["spec"]["to"][0].update(namespace="x"), "namespace"),
    ("PrometheusRule", lambda it: it["spec"]["groups"][0]["rules"][0].update(exprr="x"), "exprr"),
]


def faults_of(binaries, rendering):
    """Lists all faults of a rendering but those of schemas."""
    services, found = configuration.configured(binaries, rendering)
    found += jobs.faults(rendering, binaries, services)
    return objects.faults(rendering) + found + network.faults(rendering, services)


def faults(cache, binaries, rendering):
    """Lists mistakes that are not found in a rendering of production."""
    found = []
    for name, make, words in MISTAKES + mistakes_around.MISTAKES:
        broken = rendering.copy()
        make(broken)
        try:
            told = faults_of(binaries, broken)
        except (KeyError, TypeError) as error:
            told = [f"a rule stumbles: {error!r}"]
        if not any(words in fault for fault in told):
            found.append(f"the mistake that {name} is not found: {told[:3]}")
    broken = Rendering(rendering.target)
    for kind, make, _ in MISFITS:
        item = next(it for it in rendering.copy().of(kind) if kind != "Issuer" or "ca" in it["spec"])
        make(item)
        broken.objects.append(item)
    told = schemas.faults(cache, [broken])
    for kind, _, words in MISFITS:
        if not any(kind in fault and words in fault for fault in told):
            found.append(f"{words} in a {kind} is not found")
    return found
