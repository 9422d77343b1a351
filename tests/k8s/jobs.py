"""Rules for jobs by the clock, and what their command line makes of what it is given: its help knows each flag and variable."""

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from objects import pods, rule, template_of
from rendering import ROOT

# The program of jobs.
PROGRAM = "happypath"


@rule(
    "CronJob",
    why="work by the clock: without rights, one at a time, with an end, and missed by an alert where it does not succeed",
)
def cron_job(rendering, item):
    spec, name = item["spec"], item["metadata"]["name"]
    job, pod = spec["jobTemplate"]["spec"], template_of(item)["spec"]
    yield from pods(rendering, item)
    if spec.get("concurrencyPolicy") != "Forbid":
        yield "two may run at once"
    if pod.get("restartPolicy") != "Never" or not job.get("podFailurePolicy"):
        yield "it is tried again whatever it ended with, and nobody reads what the first try said"
    if not 0 < job.get("activeDeadlineSeconds", 0) < 24 * 3600:
        yield "one that hangs holds up the next one"
    if pod["serviceAccountName"] != name or rendering.find("NetworkPolicy", name) is None:
        yield "it has no ServiceAccount or no NetworkPolicy of its own"
    if f'cronjob="{name}"' not in (ROOT / "k8s/observability/rules.yaml").read_text():
        yield "no alert tells that it does not succeed"


@rule("PersistentVolumeClaim", why="the little that a job keeps from one night to the next; services keep nothing")
def volume_claim(rendering, item):
    name = item["metadata"]["name"]
    users = [it["kind"] for it in rendering.of("Deployment", "CronJob") if f'"claimName": "{name}"' in json.dumps(it)]
    if users != ["CronJob"] or item["spec"]["accessModes"] != ["ReadWriteOnce"]:
        yield f"it is for one job, and {users} use it"
    if not item["spec"]["resources"]["requests"]["storage"].endswith("Mi"):
        yield "it is larger than what a job keeps"


def all_of(rendering):
    """Returns the jobs by the clock, each with its pod and container."""
    found = [(it, template_of(it)["spec"]) for it in rendering.of("CronJob")]
    return [(item, pod, pod["containers"][0]) for item, pod in found]


def peers(container):
    """Returns the addresses of services that a container is given, by service."""
    addresses = {}
    for variable in container.get("env", []):
        peer = re.fullmatch(r"HAPPYPATH_([A-Z]+)_ADDRESS", variable["name"])
        if peer:
            addresses[peer.group(1).lower()] = urlsplit(variable["value"])
    return addresses


def known(binary, words):
    """Returns the flags and the variables of a command, as its help tells them."""
    done = subprocess.run([binary, *words, "--help"], capture_output=True, text=True, check=False)
    if done.returncode:
        return None, None
    return set(re.findall(r"--[a-z][a-z-]+", done.stdout)), set(re.findall(r"\bHAPPYPATH_[A-Z_]+", done.stdout))


def faults_of(rendering, binaries, services, job):
    """Lists what a job is given and its command does not take."""
    _, pod, container = job
    words = []
    for word in container["args"]:
        if word.startswith("-"):
            break
        words.append(word)
    flags, variables = known(Path(binaries) / PROGRAM, words)
    if flags is None or container["image"].rpartition("/")[2].partition(":")[0] != PROGRAM:
        yield f"{' '.join(words)} is no command of {PROGRAM}"
        return
    given = {it["name"]: it["value"] for it in container.get("env", [])}
    yield from (f"{it} is no flag of {words}" for it in container["args"] if it.startswith("-") and it not in flags)
    yield from (f"{it} is no variable of {words}" for it in given if it not in variables)
    secured = {own.service: own.uses_tls() for own in services}
    for service, address in peers(container).items():
        if address.scheme != ("https" if secured.get(service) else "http"):
            yield f"it asks {service} over {address.scheme}"
        if secured.get(service) and not {"HAPPYPATH_TLS_CA", "HAPPYPATH_CLIENT_CERTIFICATE"} <= set(given):
            yield f"{service} asks for a certificate, and it has none"
    mounts = {it["mountPath"]: it for it in container.get("volumeMounts", [])}
    claims = {it["name"] for it in pod.get("volumes", []) if "persistentVolumeClaim" in it}
    paths = [it for it in [*given.values(), *container["args"]] if it.startswith("/")]
    for path in paths:
        mount = mounts.get(path.rpartition("/")[0])
        if mount is None or (mount["name"] not in claims) != bool(mount.get("readOnly")):
            yield f"{path} is in no folder that is mounted, or in one that may be written to and is no claim"
    unused = set(mounts) - {path.rpartition("/")[0] for path in paths}
    yield from (f"{it} is mounted, and nothing names it" for it in unused)


def faults(rendering, binaries, services):
    """Lists all faults of jobs."""
    return [
        f"{rendering.where(job[0])}: {fault}"
        for job in all_of(rendering)
        for fault in faults_of(rendering, binaries, services, job)
    ]
