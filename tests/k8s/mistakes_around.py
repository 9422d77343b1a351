"""Mistakes in what stands around services: jobs by the clock, and the way in from outside. See mistakes.py."""

from parts import container, job, job_pod, policy, remove, route, set_variable


def forget_heads(rendering):
    """Has heads on a volume that goes with its pod."""
    heads = next(it for it in job_pod(rendering)["volumes"] if it["name"] == "heads")
    del heads["persistentVolumeClaim"]
    heads["emptyDir"] = {"sizeLimit": "1Mi"}


# What goes wrong, how, and words of the fault that tells it.
MISTAKES = [
    ("two verifications run at once", lambda r: job(r).update(concurrencyPolicy="Allow"), "two may run at once"),
    (
        "a verification is tried again and again",
        lambda r: job(r)["jobTemplate"]["spec"].pop("podFailurePolicy"),
        "tried again whatever",
    ),
    (
        "a verification never ends",
        lambda r: job(r)["jobTemplate"]["spec"].pop("activeDeadlineSeconds"),
        "holds up the next",
    ),
    (
        "nobody hears of a job that fails",
        lambda r: r.find("CronJob", "audit-verify")["metadata"].update(name="verify"),
        "no alert tells",
    ),
    ("a job has all rights", lambda r: job_pod(r)["containers"][0].pop("securityContext"), "the rights of verify"),
    (
        "a command gets a flag that it does not know",
        lambda r: job_pod(r)["containers"][0]["args"].append("--had"),
        "--had is no flag",
    ),
    (
        "a command gets a variable that it does not know",
        lambda r: set_variable(job_pod(r)["containers"][0], "HAPPYPATH_KEYFILE", "/etc/happypath/audit/key"),
        "HAPPYPATH_KEYFILE is no variable",
    ),
    (
        "a job asks in plain text",
        lambda r: set_variable(job_pod(r)["containers"][0], "HAPPYPATH_IDENTITY_ADDRESS", "http://identity:7401"),
        "it asks identity over http",
    ),
    (
        "heads are kept where they are lost",
        forget_heads,
        "heads.jsonl is in no folder that is mounted",
    ),
    (
        "heads are kept on a volume that is not there",
        lambda r: remove(r, "PersistentVolumeClaim", "audit-heads"),
        "audit-heads is not there",
    ),
    (
        "a verification reaches the database",
        lambda r: policy(r, "audit-verify")["egress"].append(policy(r, "identity")["egress"][1]),
        "from audit-verify to database elsewhere",
    ),
    (
        "a verification is closed off",
        lambda r: policy(r, "identity")["ingress"][0]["from"].pop(),
        "is needed for what its command asks",
    ),
    ("outside calls any name", lambda r: route(r).update(hostnames=["*.example"]), "names that are not ours"),
    ("outside calls in plain text", lambda r: route(r)["parentRefs"][0].pop("sectionName"), "in plain text too"),
    (
        "outside manages keys",
        lambda r: route(r)["rules"][0]["matches"][0]["path"].update(value="/happypath.access.v1.KeyService"),
        "is neither a contract of one service nor a path of the tracking API",
    ),
    (
        "outside calls everything",
        lambda r: route(r)["rules"][0].pop("matches"),
        "/ is neither a contract",
    ),
    (
        "a route leads to another service",
        lambda r: route(r)["rules"][0]["backendRefs"][0].update(name="journey", port=7403),
        "is not the gateway at its port",
    ),
    (
        "a route leads to a wrong port",
        lambda r: route(r)["rules"][0]["backendRefs"][0].update(port=9464),
        "is not the gateway at its port",
    ),
    (
        "the gateway knows where states are",
        lambda r: set_variable(container(r, "gateway"), "HAPPYPATH_HOT_STORE", "redis://x"),
        "expected HAPPYPATH_HOT_STORE for all services but",
    ),
    ("the gateway reaches no journey", lambda r: policy(r, "gateway")["egress"].pop(3), "calls that are handed on"),
    ("a Gateway is closed off", lambda r: remove(r, "NetworkPolicy", "edge"), "needed for calls from outside"),
    (
        "a whole namespace comes in as the Gateway",
        lambda r: policy(r, "edge")["ingress"][0]["from"][0].pop("podSelector"),
        "from a stranger in edge to gateway",
    ),
    (
        "a Gateway takes another certificate for that of a service",
        lambda r: r.find("BackendTLSPolicy", "gateway")["spec"]["validation"].update(hostname="identity.happypath.svc"),
        "no certificate of that service",
    ),
    (
        "a Gateway may read the authority",
        lambda r: r.find("ReferenceGrant", "edge")["spec"]["to"][0].update(name="authority-tls"),
        "no certificate of a client",
    ),
]
