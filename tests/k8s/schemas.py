"""Holds every object against the schema of its kind, and knows no field that the schema does not have."""

import json
import subprocess
from pathlib import Path

import jsonschema
from kubernetes_validate import utils
from referencing import Registry, Resource

# The oldest version in which all that the manifests use is on without being asked for and stable where it matters
# (preStop.sleep), and the newest one with schemas here.
VERSIONS = ("1.34", "1.37")
# Kinds that are not of Kubernetes itself, with whose models hold them.
CUSTOM = {
    ("cert-manager.io/v1", "Certificate"): "@kubernetes-models/cert-manager",
    ("cert-manager.io/v1", "Issuer"): "@kubernetes-models/cert-manager",
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): "@kubernetes-models/gateway-api",
    ("gateway.networking.k8s.io/v1", "BackendTLSPolicy"): "@kubernetes-models/gateway-api",
    ("gateway.networking.k8s.io/v1", "ReferenceGrant"): "@kubernetes-models/gateway-api",
    ("monitoring.coreos.com/v1", "ServiceMonitor"): "@kubernetes-models/prometheus-operator",
    ("monitoring.coreos.com/v1", "PrometheusRule"): "@kubernetes-models/prometheus-operator",
}
# Kinds that nothing here can validate, each with its reason. There are none, and a new one has to be put in on purpose.
UNVALIDATED = {}


class Schemas:
    """The strict schemas of one version of Kubernetes, each read once."""

    def __init__(self, version):
        self.version = version
        self.folder = f"kubernetes-json-schema/v{version}.0-local-strict"
        definitions = utils.schema_contents(f"{self.folder}/_definitions.json", version)
        self.registry = Resource.from_contents(definitions) @ Registry()
        self.validators = {}

    def validator(self, api_version, kind):
        """Returns the validator of a kind; None where Kubernetes has no such kind."""
        key = (api_version, kind)
        if key not in self.validators:
            group, _, version = api_version.rpartition("/")
            name = "-".join(filter(None, [kind.lower(), group.split(".")[0], version]))
            try:
                schema = utils.schema_contents(f"{self.folder}/{name}.json", self.version)
            except FileNotFoundError:
                self.validators[key] = None
            else:
                registry = Resource.from_contents(schema) @ self.registry
                self.validators[key] = jsonschema.Draft202012Validator(schema, registry=registry)
        return self.validators[key]

    def faults(self, item, where):
        """Lists what does not fit, each with its path; None where there is no schema."""
        validator = self.validator(item["apiVersion"], item["kind"])
        if validator is None:
            return None
        errors = validator.iter_errors(item)
        return [
            f"{where}: {'.'.join(map(str, error.absolute_path))}: {error.message[:300]} (Kubernetes {self.version})"
            for error in errors
        ]


def faults(cache, renderings):
    """Lists all faults of all objects. The same object is looked at once, wherever it is rendered."""
    found, custom, seen = [], [], set()
    versions = [Schemas(version) for version in VERSIONS]
    for rendering in renderings:
        for item in rendering.objects:
            text = json.dumps(item, sort_keys=True)
            if text in seen:
                continue
            seen.add(text)
            where, kind = rendering.where(item), (item["apiVersion"], item["kind"])
            if kind in CUSTOM:
                custom.append({"where": where, "object": item})
                continue
            if kind in UNVALIDATED:
                continue
            for schemas in versions:
                own = schemas.faults(item, where)
                if own is None:
                    own = [
                        f"{where}: no schema of Kubernetes {schemas.version} has this kind: add it to CUSTOM or UNVALIDATED"
                    ]
                found += own
    return found + custom_faults(cache, custom)


def custom_faults(cache, objects):
    """Lists the faults of custom resources."""
    script = Path(__file__).with_name("custom.mjs")
    done = subprocess.run(
        ["node", script, cache], input=json.dumps(objects), capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    if done.returncode:
        lines.append(f"custom.mjs: {done.stderr.strip()}")
    return lines
