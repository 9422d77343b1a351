"""Renders every kustomization that somebody applies: each base alone, and each overlay."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("identity", "segmentation", "journey", "activation", "gateway")
# The bases of services are applied after this one, which has what all share.
NAMESPACE = "bases/namespace"
# Production with all that there is.
PRODUCTION = "overlays/prod-edge"
OVERLAYS = ("overlays/dev", "overlays/prod", PRODUCTION)
TARGETS = (NAMESPACE, *(f"bases/{service}" for service in SERVICES), *OVERLAYS, "observability")


@dataclass
class Rendering:
    """The objects of one kustomization."""

    target: str
    objects: list = field(default_factory=list)

    def of(self, *kinds):
        """Returns the objects of these kinds."""
        return [it for it in self.objects if it["kind"] in kinds]

    def find(self, kind, name):
        """Returns an object by its kind and name, or None."""
        return next((it for it in self.of(kind) if it["metadata"]["name"] == name), None)

    def copy(self):
        """Returns a copy that may be changed."""
        return Rendering(self.target, json.loads(json.dumps(self.objects)))

    def where(self, item):
        """Names an object for a fault."""
        return f"{self.target}: {item['kind']} {item['metadata']['name']}"


def kubectl(cache):
    """Returns where kubectl is."""
    return Path(cache) / "python/bin/kubectl"


def render(cache, target):
    """Renders one kustomization, offline."""
    done = subprocess.run(
        [kubectl(cache), "kustomize", ROOT / "k8s" / target], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"k8s/{target} cannot be rendered: {done.stderr.strip()}")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return Rendering(target, [it for it in yaml.load_all(done.stdout, Loader=loader) if it])


def render_all(cache):
    """Renders all of them."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda target: render(cache, target), TARGETS))


def faults_of_folders():
    """Names the kustomizations that nobody renders, so that no new one is left out."""
    rendered = {(ROOT / "k8s" / target).resolve() for target in TARGETS}
    faults = []
    for path in sorted((ROOT / "k8s").rglob("kustomization.yaml")):
        content = yaml.safe_load(path.read_text())
        folder = path.parent.resolve()
        if content["kind"] == "Component":
            folders = [it.resolve() for parent in rendered for it in components_of(parent)]
            if folder not in folders:
                faults.append(f"{path.relative_to(ROOT)}: no base and no overlay takes this component in")
        elif folder not in rendered:
            faults.append(f"{path.relative_to(ROOT)}: is not in TARGETS of tests/k8s/rendering.py")
    return faults


def components_of(folder):
    """Returns the components of a kustomization."""
    content = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return [folder / it for it in content.get("components", [])]
