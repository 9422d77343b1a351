"""Reads the manifests and the programs together: what a container is given is what its binary takes.

The environment of each container goes to `--check-config` of the very binary, with nothing else in it, so that a variable
that the code does not know, a value that it refuses, and settings that do not fit each other are faults of the manifests.
"""

import base64
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from rendering import ROOT, SERVICES

# What the Secrets hold that are not in the manifests, as examples of the right form.
EXAMPLES = {
    ("happypath-stores", "hot_store"): "rediss+cluster://happypath:secret@redis.happypath-stores:6379"
    "?ca_file=/etc/happypath/stores/redis.crt",
    ("happypath-stores", "database"): "postgres://happypath:secret@postgres-rw.happypath-stores:5432/happypath"
    "?sslmode=verify-full&sslrootcert=/etc/happypath/stores/postgres.crt",
}
EXAMPLES[("happypath-migration", "database")] = EXAMPLES[("happypath-stores", "database")].replace("happypath:", "owner:")
# Settings that name files, with the entries of the volumes that have them.
FILES = {
    "access_file": "access.yaml",
    "secret_keys": "keys",
    "tls_certificate": "tls.crt",
    "tls_key": "tls.key",
    "tls_client_ca": "ca.crt",
    "tls_ca": "ca.crt",
    "otlp_ca": "ca.crt",
    "otlp_certificate": "tls.crt",
    "otlp_key": "tls.key",
}
# Parameters of the addresses of stores that name files. A base alone has no such files, and another address.
STORE_FILES = {"ca_file": "redis.crt", "sslrootcert": "postgres.crt"}
# Seconds for the last entries of the audit log, and for what telemetry still has to send.
LAST_WORDS_SECONDS = 15
# MiB of a process beside requests and the cache of its engine: measured, see "Sizes" in k8s/README.md.
LEAST_MIB = 192
# Services that touch neither states nor streams.
WITHOUT_HOT_STORE = ("gateway",)
OWNERS = {
    "Namespace": "identity",
    "Segment": "segmentation",
    "JourneyMap": "journey",
    "HappyPath": "journey",
    "Journey": "journey",
    "Channel": "activation",
    "Template": "activation",
    "Policy": "activation",
    "Source": "gateway",
    "Subscription": "gateway",
}


@dataclass
class Configured:
    """A container of a service, with its settings as its binary understands them."""

    service: str
    container: dict
    pod: dict
    settings: dict
    stores: list

    def port(self, setting):
        """Returns the port of an address; None where it is not set."""
        address = self.settings.get(setting)
        return int(address.rpartition(":")[2]) if address else None

    def uses_tls(self):
        """Returns whether it serves over TLS."""
        return "tls_certificate" in self.settings


def needs(service):
    """Returns the services that a service asks, from its source: owners of the kinds that its catalog needs, and those that
    the gateway hands calls on to."""
    if service == "gateway":
        places = (ROOT / "services/gateway/src/forward/place.rs").read_text()
        return sorted(owner.lower() for owner in set(re.findall(r"=> Place::Service\(Owner::(\w+)\)", places)))
    source = (ROOT / "services" / service / "src/catalog.rs").read_text()
    body = re.search(r"fn needs\(&self\)[^{]*\{(.*?)\n    \}", source, re.S)
    kinds = re.findall(r"DefinitionKind::(\w+)", body.group(1)) if body else []
    return sorted({OWNERS[kind] for kind in kinds} - {service})


def seconds_of(constant, path="shared/runtime/src/limits.rs"):
    """Returns the seconds of a constant of the runtime."""
    found = re.search(rf"const {constant}: Duration = Duration::from_secs\((\d+)\)", (ROOT / path).read_text())
    if not found:
        raise SystemExit(f"{path} has no {constant} in seconds any more: look at tests/k8s/configuration.py")
    return int(found.group(1))


def secret_value(rendering, name, key):
    """Returns an entry of a Secret of the manifests, or an example of it; None where nobody has it."""
    for item in rendering.of("Secret"):
        if item["metadata"]["name"] == name and key in item.get("data", {}):
            return base64.b64decode(item["data"][key]).decode()
    return EXAMPLES.get((name, key))


def environment(rendering, container):
    """Returns the variables of a container, and the references that lead nowhere."""
    variables, faults = {}, []
    for source in container.get("envFrom", []):
        name = source["configMapRef"]["name"]
        found = rendering.find("ConfigMap", name)
        if found is None and not source["configMapRef"].get("optional"):
            faults.append(f"its ConfigMap {name} is not there")
        variables.update((found or {}).get("data", {}))
    for variable in container.get("env", []):
        name = variable["name"]
        if "value" in variable:
            variables[name] = variable["value"]
            continue
        reference = variable["valueFrom"]["secretKeyRef"]
        value = secret_value(rendering, reference["name"], reference["key"])
        # A hash that the name got from kustomize is that of a Secret beside it.
        if value is None:
            faults.append(
                f"{name} is from {reference['name']}/{reference['key']}, which is neither here nor in EXAMPLES"
            )
        variables[name] = value or ""
    return variables, faults


def check_config(binary, variables):
    """Asks a binary what it makes of an environment. Returns the settings and the origins, or the faults."""
    done = subprocess.run([binary, "--check-config"], env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        return {}, {}, done.stderr.strip().splitlines()
    settings, origins = {}, {}
    for name, value, origin in re.findall(r"^  (\w+) = (.*) \(from (.*)\)$", done.stderr, re.M):
        settings[name], origins[name] = value, origin
    return settings, origins, []


def configured(binaries, rendering):
    """Reads the settings of all services of a rendering, and lists what is wrong with them."""
    found, faults = [], []
    for item in rendering.of("Deployment"):
        service = item["metadata"]["name"]
        if service not in SERVICES:
            continue
        pod = item["spec"]["template"]["spec"]
        container = pod["containers"][0]
        where = rendering.where(item)
        variables, lost = environment(rendering, container)
        faults += [f"{where}: {it}" for it in lost]
        settings, origins, refused = check_config(Path(binaries) / service, variables)
        if refused:
            faults += [f"{where}: {service} --check-config: {line}" for line in refused]
            continue
        if ("HAPPYPATH_HOT_STORE" in variables) == (service in WITHOUT_HOT_STORE):
            faults.append(f"{where}: expected HAPPYPATH_HOT_STORE for all services but {WITHOUT_HOT_STORE}")
        names = ("HAPPYPATH_HOT_STORE", "HAPPYPATH_DATABASE")
        stores = [variables[name] for name in names if name in variables]
        own = Configured(service, container, pod, settings, stores)
        found.append(own)
        faults += [f"{where}: {it}" for it in faults_of(rendering, own)]
        for name in variables:
            setting = name.removeprefix("HAPPYPATH_").lower()
            if origins.get(setting) != name:
                faults.append(f"{where}: {name} has no effect")
    return found, faults + faults_of_jobs(binaries, rendering, found)


def faults_of_jobs(binaries, rendering, services):
    """Holds the migrations against what their program takes, and services against who makes their tables."""
    jobs, faults = rendering.of("Job"), []
    for item in jobs:
        container, where = item["spec"]["template"]["spec"]["containers"][0], rendering.where(item)
        variables, lost = environment(rendering, container)
        # It only looks, and nowhere: whatever is wrong with its words or variables is told before that.
        variables["HAPPYPATH_DATABASE"] = "sqlite:/nowhere/at/all.db"
        command = [Path(binaries) / "happypath", *container["args"], "--check"]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        if done.returncode != 1 or "migrations are lacking" not in done.stderr:
            lost += [f"happypath {' '.join(container['args'])}: {line}" for line in done.stderr.strip().splitlines()]
        names = {own.settings.get("installation") for own in services} or {None}
        if names != {variables.get("HAPPYPATH_INSTALLATION")}:
            lost.append("it is for another installation than services are")
        faults += [f"{where}: {it}" for it in lost + faults_of_mounts(item)]
    for own in services:
        is_off = own.settings["migrate"] == "off"
        if is_off and not jobs:
            faults.append(f"{rendering.target}: nobody makes the tables of {own.service}")
        if jobs and not is_off:
            faults.append(f"{rendering.target}: {own.service} makes tables, and there is a Job for that")
    return faults


def faults_of_mounts(item):
    """Holds the files that the address of a database names against what is mounted."""
    pod = item["spec"]["template"]["spec"]
    mounts = [it["mountPath"] for it in pod["containers"][0].get("volumeMounts", []) if it.get("readOnly")]
    modes = [it["secret"].get("defaultMode") for it in pod.get("volumes", []) if "secret" in it]
    fits = mounts in ([], ["/etc/happypath/stores"]) and all(mode == 0o440 for mode in modes)
    return [] if fits else ["expected the authorities of stores, readable by its group alone, and no other files"]


def faults_of(rendering, own):
    """Lists what does not fit between the settings of a container and the manifests around it."""
    faults = []
    faults += faults_of_ports(rendering, own)
    faults += faults_of_files(own)
    faults += faults_of_addresses(rendering, own)
    sleep = own.container["lifecycle"]["preStop"].get("sleep", {}).get("seconds", 0)
    least = sleep + seconds_of("DRAIN_TIME") + seconds_of("HAND_OVER_TIME") + LAST_WORDS_SECONDS
    if own.pod["terminationGracePeriodSeconds"] < least:
        faults.append(
            f"terminationGracePeriodSeconds is below {least}, which sleep, calls, hand-over and last words take"
        )
    autoscaler = rendering.find("HorizontalPodAutoscaler", own.service)
    if int(own.settings["partitions"]) < autoscaler["spec"]["maxReplicas"]:
        faults.append("more replicas than partitions: some would own nothing")
    memory = own.container["resources"]["limits"]["memory"]
    budget = int(own.settings["message_memory_mib"]) + LEAST_MIB
    if not memory.endswith("Mi") or int(memory[:-2]) < budget:
        faults.append(f"its limit of memory is below {budget}Mi, which requests, cache and program take")
    return faults


def faults_of_ports(rendering, own):
    """Holds listeners, ports of the container, probes and the Service together."""
    faults = []
    ports = {port["name"]: port["containerPort"] for port in own.container["ports"]}
    listeners = {"grpc": own.port("listen"), "health": own.port("health_listen"), "metrics": own.port("metrics_listen")}
    if ports != {name: port for name, port in listeners.items() if port}:
        faults.append(f"it listens on {listeners}, and its ports are {ports}")
    for setting in ("listen", "health_listen", "metrics_listen"):
        if setting in own.settings and not own.settings[setting].startswith("0.0.0.0:"):
            faults.append(f"{setting} = {own.settings[setting]} is not reached from outside of the pod")
    for probe, name in (("startupProbe", "liveness"), ("livenessProbe", "liveness"), ("readinessProbe", "readiness")):
        wanted = {"port": own.port("health_listen"), "service": name}
        if own.container.get(probe, {}).get("grpc") != wanted:
            faults.append(f"{probe} is not {wanted}")
    if own.container.get("terminationMessagePolicy") != "FallbackToLogsOnError":
        faults.append("the last words of a process that does not start are not those of its pod")
    for name in ("liveness", "readiness"):
        if f'"{name}"' not in (ROOT / "shared/runtime/src/health.rs").read_text():
            faults.append(f"the health service has no name {name}")
    service = rendering.find("Service", own.service)
    exposed = {port["name"]: (port["port"], port["targetPort"]) for port in service["spec"]["ports"]}
    wanted = {name: (port, name) for name, port in ports.items() if name != "health"}
    if exposed != wanted:
        faults.append(f"its Service has the ports {exposed}, and should have {wanted}")
    protocol = "https" if own.uses_tls() else "kubernetes.io/h2c"
    if service["spec"]["ports"][0].get("appProtocol") != protocol:
        faults.append(f"appProtocol of its Service is not {protocol}")
    return faults


def faults_of_files(own):
    """Holds the paths of settings against what is mounted."""
    faults = []
    mounts = {mount["mountPath"]: mount for mount in own.container.get("volumeMounts", [])}
    volumes = {volume["name"]: volume for volume in own.pod.get("volumes", [])}
    used = set()
    named = [(setting, own.settings[setting], entry) for setting, entry in FILES.items() if setting in own.settings]
    if "/etc/happypath/stores" in mounts:
        parameters = dict(it for address in own.stores for it in parse_qsl(urlsplit(address).query))
        named += [(name, parameters[name], entry) for name, entry in STORE_FILES.items() if name in parameters]
    for setting, path, entry in named:
        folder, _, name = path.rpartition("/")
        mount = mounts.get(folder)
        if name != entry or mount is None or not mount.get("readOnly") or "subPath" in mount:
            faults.append(f"{setting} = {path}: expected {entry} in a folder that is mounted whole and read only")
            continue
        used.add(folder)
        if setting != "access_file" and volumes[mount["name"]].get("secret", {}).get("defaultMode") != 0o440:
            faults.append(f"{setting} = {path}: others than the group of the process may read it")
    faults += [f"{folder} is mounted, and no setting names it" for folder in mounts if folder not in used]
    return faults


def faults_of_addresses(rendering, own):
    """Holds the addresses of other services against their Services."""
    faults = []
    asked = needs(own.service)
    for variable in own.container["env"]:
        peer = re.fullmatch(r"HAPPYPATH_(\w+)_ADDRESS", variable["name"])
        if peer and peer.group(1).lower() not in asked:
            faults.append(f"{variable['name']} is set, and the source of {own.service} asks nothing there")
    for peer in asked:
        address = own.settings[f"{peer}_address"]
        scheme, _, place = address.partition("://")
        port = 7401 + SERVICES.index(peer)
        if place != f"{peer}:{port}" or scheme != ("https" if own.uses_tls() else "http"):
            faults.append(f"{peer}_address = {address} is not where the Service of {peer} is")
        service = rendering.find("Service", peer)
        if service and service["spec"]["ports"][0]["port"] != port:
            faults.append(f"the Service of {peer} is not at {port}")
    return faults
