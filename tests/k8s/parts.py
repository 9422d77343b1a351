"""Finds the parts of a rendering that mistakes are made in."""


def deployment(rendering, name="journey"):
    """Returns the spec of a Deployment."""
    return rendering.find("Deployment", name)["spec"]


def pod(rendering, name="journey"):
    """Returns the spec of its pods."""
    return deployment(rendering, name)["template"]["spec"]


def container(rendering, name="journey"):
    """Returns its container."""
    return pod(rendering, name)["containers"][0]


def volume(rendering, name, which):
    """Returns one of its volumes."""
    return next(it for it in pod(rendering, name)["volumes"] if it["name"] == which)


def set_variable(own, name, value):
    """Sets a variable of a container."""
    own["env"] = [it for it in own["env"] if it["name"] != name] + [{"name": name, "value": value}]


def remove(rendering, kind, name):
    """Takes an object out."""
    rendering.objects = [it for it in rendering.objects if (it["kind"], it["metadata"]["name"]) != (kind, name)]


def policy(rendering, name):
    """Returns the spec of a policy."""
    return rendering.find("NetworkPolicy", name)["spec"]


def job(rendering, name="audit-verify"):
    """Returns the spec of a CronJob."""
    return rendering.find("CronJob", name)["spec"]


def job_pod(rendering, name="audit-verify"):
    """Returns the spec of its pods."""
    return job(rendering, name)["jobTemplate"]["spec"]["template"]["spec"]


def migration(rendering):
    """Returns the Job of migrations."""
    return rendering.of("Job")[0]


def migration_container(rendering):
    """Returns its container."""
    return migration(rendering)["spec"]["template"]["spec"]["containers"][0]


def route(rendering):
    """Returns the spec of the way in from outside."""
    return rendering.find("HTTPRoute", "happypath")["spec"]


def settings(rendering):
    """Returns the settings that all containers share."""
    return next(it["data"] for it in rendering.of("ConfigMap") if "HAPPYPATH_PARTITIONS" in it["data"])
