"""Holds rules, alerts and dashboards against the metrics that services expose in real scrapes, and has promtool try them."""

import json
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

import metrics
from rendering import ROOT

ALERTS = ROOT / "tests/k8s/alerts"
DASHBOARDS = ROOT / "k8s/observability/dashboards"
# Series of Prometheus itself, and of kube-state-metrics about jobs by the clock.
OWN = {
    "up": metrics.TARGET_LABELS | {"service"},
    "kube_cronjob_created": {"namespace", "cronjob"},
    "kube_cronjob_status_last_successful_time": {"namespace", "cronjob"},
}
# Variables of Grafana, with a value of the right form.
VARIABLES = {"$__rate_interval": "5m", "$namespace": "happypath", "$service": "journey"}


def promtool(cache):
    """Returns where promtool is."""
    own = Path(cache) / "prometheus/usr/bin/promtool"
    return str(own) if own.exists() else shutil.which("promtool")


def groups():
    """Returns the groups of rules."""
    return yaml.safe_load((ROOT / "k8s/observability/rules.yaml").read_text())["spec"]["groups"]


def rules(groups_):
    """Returns all rules, one after another."""
    return [rule for group in groups_ for rule in group["rules"]]


def series(groups_, scrapes):
    """Returns every series that expressions may name, with its labels; a recorded one has those it was summed by."""
    known = metrics.exposed(scrapes) | OWN
    for rule in rules(groups_):
        if "record" in rule:
            kept = re.findall(r"\bby \(([^)]*)\)", rule["expr"])
            labels = {it.strip() for text in kept for it in text.split(",")}
            for name in re.findall(r"happypath:\w+:\w+", rule["expr"]):
                labels |= known[name]
            known[rule["record"]] = labels
    return known


def faults_of_expression(expression, known):
    """Lists series that nobody exposes, and labels that they do not have."""
    found, labels = [], set()
    names = re.findall(r"\b(happypath[\w:]*|kube_\w+|up|target_info)\b(?=[\s{\[)<>=*/+-]|$)", re.sub(r'"[^"]*"', '""', expression))
    for name in names:
        if name not in known:
            found.append(f"no service exposes {name}")
        labels |= known.get(name, set())
    for name, selector in re.findall(r"\b(happypath[\w:]*|kube_\w+|up|target_info)\{([^}]*)\}", expression):
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', "", selector)):
            if label not in known.get(name, {label}):
                found.append(f"{name} has no label {label}")
    for text in re.findall(r"\b(?:by|on|without|ignoring) \(([^)]*)\)", expression):
        for label in filter(None, map(str.strip, text.split(","))):
            if names and label not in labels:
                found.append(f"nothing in it has the label {label}")
    return found


def faults_of_rules(groups_, known):
    """Lists faults of rules and alerts."""
    found = []
    for group in groups_:
        recorded = {rule["record"] for rule in group["rules"] if "record" in rule}
        for name in re.findall(r"happypath:\w+:\w+", " ".join(rule["expr"] for rule in group["rules"])):
            if name not in recorded:
                found.append(f"{group['name']} reads {name} of another group, which may be evaluated later")
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in (ROOT / "k8s/README.md").read_text().splitlines()
        if line.startswith("#")
    }
    for rule in rules(groups_):
        name = rule.get("alert") or rule["record"]
        found += [f"{name}: {fault}" for fault in faults_of_expression(rule["expr"], known)]
        if "alert" not in rule:
            continue
        if set(rule["annotations"]) != {"summary", "description", "runbook"}:
            found.append(f"{name}: expected summary, description and runbook")
        page, _, heading = rule["annotations"].get("runbook", "").partition("#")
        if page != "k8s/README.md" or heading not in headings:
            found.append(f"{name}: k8s/README.md has no heading for it")
        if rule["labels"].get("severity") not in ("page", "ticket"):
            found.append(f"{name}: its severity is neither page nor ticket")
    return found


def faults_of_cases(groups_):
    """Lists alerts that no case makes fire, or that none sees clear afterwards."""
    fired, cleared = set(), set()
    for path in sorted(ALERTS.glob("*.yaml")):
        for case in yaml.safe_load(path.read_text())["tests"]:
            before = set()
            for moment in case["promql_expr_test"]:
                now = {re.search(r'alertname="(\w+)"', it["labels"]).group(1) for it in moment["exp_samples"]}
                cleared |= before - now
                before |= now
                fired |= now
    alerts = {rule["alert"] for rule in rules(groups_) if "alert" in rule}
    found = [f"{name}: no case makes it fire" for name in sorted(alerts - fired)]
    found += [f"{name}: no case sees it clear" for name in sorted((alerts & fired) - cleared)]
    return found


def faults_of_dashboard(name, dashboard, known):
    """Lists faults of one dashboard."""
    found, ids, cells = [], set(), set()
    for panel in dashboard["panels"]:
        where = f"{name}: {panel['title']}"
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        if own & cells or place["x"] + place["w"] > 24 or panel["id"] in ids:
            found.append(f"{where}: lies on another one, or has its id")
        cells |= own
        ids.add(panel["id"])
        if panel["type"] == "row":
            continue
        if not panel.get("description") or not panel["fieldConfig"]["defaults"].get("unit") or not panel.get("targets"):
            found.append(f"{where}: has no description, no unit or no query")
        for target in panel["targets"]:
            found += [f"{where}: {fault}" for fault in faults_of_expression(target["expr"], known)]
            if target["datasource"]["uid"] != "${datasource}" or 'namespace="$namespace"' not in target["expr"]:
                found.append(f"{where}: is not of the chosen data source and namespace")
    return found


def dashboards():
    """Returns all dashboards by their files."""
    return {path.name: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def expressions(boards):
    """Returns all queries of dashboards, with values in place of variables."""
    found = []
    for board in boards.values():
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                text = target["expr"]
                for name, value in VARIABLES.items():
                    text = text.replace(name, value)
                found.append(text)
    return found


def faults(cache, scrapes):
    """Lists all faults of rules, alerts and dashboards."""
    found, all_groups, boards = metrics.faults(scrapes), groups(), dashboards()
    known = series(all_groups, scrapes)
    found += faults_of_rules(all_groups, known) + faults_of_cases(all_groups)
    for name, board in boards.items():
        found += faults_of_dashboard(name, board, known)
    if len({board["uid"] for board in boards.values()}) != len(boards):
        found.append("two dashboards have one uid")
    text = " ".join(expressions(boards) + [rule["expr"] for rule in rules(all_groups)])
    for name in sorted(metrics.declared()):
        if name not in text:
            found.append(f"{name}: no dashboard and no rule shows it")
    for rule in rules(all_groups):
        if "record" in rule and rule["record"] not in text:
            found.append(f"{rule['record']}: nothing reads it")
    return found + faults_by_promtool(promtool(cache), all_groups, boards)


def faults_by_promtool(tool, all_groups, boards):
    """Has promtool check the rules and the queries, and play the cases."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": all_groups}))
        queries = [{"record": f"query:{place}", "expr": text} for place, text in enumerate(expressions(boards))]
        (folder / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": queries}]}))
        commands = [["check", "rules", "rules.yaml", "queries.yaml"]]
        for path in sorted(ALERTS.glob("*.yaml")):
            shutil.copy(path, folder)
            commands.append(["test", "rules", path.name])
        run = lambda words: subprocess.run([tool, *words], cwd=folder, capture_output=True, text=True, check=False)
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(run, commands))
    return [f"promtool {' '.join(it.args[1:])}: {(it.stderr + it.stdout).strip()}" for it in done if it.returncode]
