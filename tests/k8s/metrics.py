"""The metrics that services expose: as Prometheus read them off services under load, as their sources declare them, and as services/README.md tells."""

import re
from functools import cache

from rendering import ROOT

# Sources that declare instruments.
SOURCES = (
    "shared/audit/src/metrics.rs",
    "shared/changes/src/metrics.rs",
    "shared/engine/src/metrics.rs",
    "shared/engine/src/metrics/erasures.rs",
    "shared/journal/src/metrics.rs",
    "shared/rpc/src/metrics.rs",
    "services/identity/src/metrics.rs",
    "services/identity/src/metrics/accounts.rs",
    "services/identity/src/erasure/metrics.rs",
    "services/activation/src/metrics.rs",
    "services/gateway/src/metrics.rs",
    "shared/runtime/src/metrics.rs",
)
# Words for instruments in those sources, with what they are: constructors of OpenTelemetry, and short names for them.
FORMS = {
    "u64_counter": "counter",
    "f64_counter": "counter",
    "counter": "counter",
    "u64_histogram": "histogram",
    "f64_histogram": "histogram",
    "sizes": "histogram",
    "seconds": "histogram",
    "u64_gauge": "gauge",
    "f64_gauge": "gauge",
    "gauge": "gauge",
    "i64_up_down_counter": "gauge",
    "u64_observable_gauge": "gauge",
    "f64_observable_gauge": "gauge",
}
# Labels that Prometheus, its operator and the ServiceMonitors add.
TARGET_LABELS = {"job", "instance", "namespace", "pod", "container", "endpoint", "system"}


@cache
def documented():
    """Returns the metrics of the table in services/README.md, with their labels."""
    text = (ROOT / "services/README.md").read_text()
    rows = re.findall(r"^\| `(happypath_\w+)` \|[^|]*\|([^|]*)\|", text, re.M)
    return {name: {it.strip() for it in labels.split(",") if it.strip()} for name, labels in rows}


@cache
def declared():
    """Returns the metrics that the sources declare, with what they are."""
    found = {}
    for source in SOURCES:
        text = (ROOT / source).read_text()
        for form, name, rest in re.findall(r'\b(\w+)\(\s*(?:&meter,\s*)?"(happypath(?:\.\w+){2,})"(?=(.{0,120}))', text, re.S):
            kind = FORMS[form]
            unit = '"s"' in rest.split("build()")[0].split("happypath.")[0] or form == "seconds"
            plain = name.replace(".", "_") + ("_seconds" if unit else "")
            found[plain + ("_total" if kind == "counter" else "")] = kind
    return found


@cache
def scraped(folder):
    """Returns the metrics in a folder of scrapes, with what they are and their labels.

    `tests/it` writes them: the four services on a Redis and a PostgreSQL, after an event and what it causes, and one of them over TLS.
    """
    kinds, labels = {}, {}
    for path in sorted(folder.glob("*.txt")):
        for line in path.read_text().splitlines():
            if told := re.match(r"# TYPE (\w+) (\w+)$", line):
                kinds[told.group(1)] = told.group(2)
            elif sample := re.match(r"(\w+)(?:\{(.*)\})? \S+$", line):
                own = labels.setdefault(sample.group(1), set())
                own |= set(re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', sample.group(2) or ""))
    return {
        name: (kind, labels.get(name + ("_count" if kind == "histogram" else ""), set())) for name, kind in kinds.items()
    }


@cache
def exposed(folder):
    """Returns every series that Prometheus sees, with its labels."""
    series = {}
    for name, (kind, own) in scraped(folder).items():
        # A metric without a label `service` of its own has that of its target.
        labels = own | TARGET_LABELS | {"service"}
        if kind == "histogram":
            series |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
        else:
            series[name] = labels
    return series


def faults_of_scrapes(folder):
    """Lists what services expose otherwise than their sources and services/README.md say."""
    found = []
    ours = {name: what for name, what in scraped(folder).items() if name.startswith("happypath_")}
    if not ours:
        return [f"there are no scrapes in {folder}: `tests/run rust` writes them"]
    for name, kind in sorted(declared().items()):
        if name not in ours:
            found.append(f"{name} is declared, and no service under load exposes it")
        elif ours[name][0] != kind:
            found.append(f"{name} is declared as a {kind}, and exposed as a {ours[name][0]}")
    for name, (_, labels) in sorted(ours.items()):
        if name not in declared():
            found.append(f"{name} is exposed, and none of SOURCES in tests/k8s/metrics.py declares it")
        elif labels != documented().get(name, labels):
            told, real = ", ".join(sorted(documented()[name])), ", ".join(sorted(labels))
            found.append(f"{name} has the labels [{real}], and services/README.md tells of [{told}]")
    return found


def faults(folder):
    """Lists metrics that are exposed, declared or documented, and not all of that."""
    lost = set(documented()) - set(declared())
    unknown = set(declared()) - set(documented())
    found = [f"{name} stands in services/README.md, and no source declares it" for name in sorted(lost)]
    found += [f"{name} is declared, and services/README.md does not tell of it" for name in sorted(unknown)]
    sources = {path for path in (ROOT / "shared").rglob("*.rs")} | {path for path in (ROOT / "services").rglob("*.rs")}
    known = {ROOT / source for source in SOURCES}
    for path in sorted(sources - known):
        if "/src/" in str(path) and "opentelemetry::metrics" in path.read_text():
            found.append(f"{path.relative_to(ROOT)} declares metrics, and is not in SOURCES of tests/k8s/metrics.py")
    return found + faults_of_scrapes(folder)
