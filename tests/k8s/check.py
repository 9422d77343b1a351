"""Checks k8s/ and all that hangs on it, without a cluster: check.py CACHE BINARIES, or check.py CACHE why.

Prints every fault, and exits with 1 where there is one; or, with `why`, why each object may be as it is. CACHE has what `tests/run` installs, BINARIES
the services, and the folder `tmp/scrapes` beside it what Prometheus would read off them.
"""

import sys
import time
from pathlib import Path

import configuration
import jobs
import mistakes
import network
import objects
import observability
import outside  # noqa: F401, its rules are found in objects
import schemas
from rendering import NAMESPACE, PRODUCTION, ROOT, Rendering, faults_of_folders, render_all


def with_namespace(rendering, namespace):
    """Returns a base as it is applied: after the namespace with all that is in it."""
    if rendering.target.startswith("bases/") and rendering.target != NAMESPACE:
        return Rendering(rendering.target, rendering.objects + namespace.objects)
    return rendering


def main(cache, binaries):
    """Runs every check and returns whether all is well."""
    renderings = render_all(cache)
    namespace = next(it for it in renderings if it.target == NAMESPACE)
    whole = [with_namespace(it, namespace) for it in renderings]
    services = {}

    def of_configuration():
        found = []
        for rendering in whole:
            services[rendering.target], own = configuration.configured(binaries, rendering)
            found += own + jobs.faults(rendering, binaries, services[rendering.target])
        return found

    def of_network():
        return [fault for it in whole if services[it.target] for fault in network.faults(it, services[it.target])]

    production = next(it for it in whole if it.target == PRODUCTION)
    checks = [
        ("every kustomization is rendered", faults_of_folders),
        ("objects fit the schemas of their kinds", lambda: schemas.faults(cache, renderings)),
        ("each object has a rule and keeps it", lambda: [fault for it in whole for fault in objects.faults(it)]),
        ("programs take what they are given", of_configuration),
        ("what is needed is open, and nothing else", of_network),
        ("mistakes are found", lambda: mistakes.faults(cache, binaries, production)),
        ("rules, alerts and dashboards", lambda: observability.faults(cache, binaries.parent / "tmp/scrapes")),
    ]
    is_well = True
    for name, check in checks:
        begun = time.monotonic()
        found = check()
        print(f"{'FAILED' if found else 'ok':7} {name} ({time.monotonic() - begun:.1f} s)")
        for fault in found:
            print(f"        {fault}")
        is_well = is_well and not found
    return is_well


def tell_why(cache):
    """Prints every object with the reason of its rule."""
    for rendering in render_all(cache):
        for item in rendering.objects:
            print(f"{rendering.where(item)}: {objects.RULES[item['kind']][0]}")


if __name__ == "__main__":
    CACHE = Path(sys.argv[1]).resolve()
    if sys.argv[2:] == ["why"]:
        tell_why(CACHE)
    else:
        sys.exit(0 if main(CACHE, Path(sys.argv[2]).resolve()) else 1)
