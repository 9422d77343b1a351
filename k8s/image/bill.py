"""Writes the bill of materials of a program (CycloneDX 1.6) and the terms of what is compiled into it.

Both come from `cargo metadata` and `Cargo.lock`, without the network. What a program is compiled with, and does not hold,
is in the bill with the scope `excluded`. The features are those of the whole workspace, as `cargo build --workspace` takes
them, so that a bill may name a crate too many and none too few.
"""

import hashlib
import json
import re
import subprocess
from collections import defaultdict
from pathlib import Path

from layout import as_json

ROOT = Path(__file__).resolve().parents[2]
TERMS = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)", re.I)


def is_macro(package):
    """Returns whether a crate runs in the compiler, and not in the program."""
    return any("proc-macro" in target["kind"] for target in package["targets"])


def reference(package):
    """Returns the name of a crate within a bill; that of cargo would hold paths of this machine."""
    return f"{package['name']}@{package['version']}"


def licence(package):
    """Returns what the bill says of the terms of a crate: an expression of SPDX."""
    if package["license"]:
        # Before SPDX, cargo wrote a slash where either may be chosen.
        return [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
    return [{"license": {"name": package["license_file"] or "unknown"}}]


class Workspace:
    """All crates of the workspace and what they depend on, as cargo resolves them for this machine."""

    def __init__(self):
        self.compiler = dict(re.findall(r"^(\w+): (.*)$", self._ask("rustc", "-vV"), re.M))
        asked = ["cargo", "metadata", "--format-version", "1", "--locked", "--offline"]
        metadata = json.loads(self._ask(*asked, "--filter-platform", self.compiler["host"]))
        self.packages = {package["id"]: package for package in metadata["packages"]}
        self.nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
        self.members = set(metadata["workspace_members"])
        locked = r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"'
        lock = (ROOT / "Cargo.lock").read_text()
        self.checksums = {f"{name}@{version}": checksum for name, version, checksum in re.findall(locked, lock)}

    @staticmethod
    def _ask(*command):
        return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout

    def package(self, name):
        """Returns the crate of the workspace with this name."""
        return next(self.packages[one] for one in sorted(self.members) if self.packages[one]["name"] == name)

    def needs(self, crate, kinds):
        """Lists the crates that one crate depends on in one of these ways; `None` is the ordinary way."""
        of_kind = (dep for dep in self.nodes[crate]["deps"] if any(it["kind"] in kinds for it in dep["dep_kinds"]))
        return sorted(dep["pkg"] for dep in of_kind)

    def reach(self, program):
        """Returns the crates that are in a program, and those that it was compiled with besides."""
        root = self.package(program)["id"]

        def closure(kinds, takes_macros):
            found, left = set(), [root]
            while left:
                crate = left.pop()
                if crate not in found and (takes_macros or not is_macro(self.packages[crate])):
                    found.add(crate)
                    left.extend(self.needs(crate, kinds))
            return found

        inside = closure({None}, takes_macros=False)
        return inside, closure({None, "build"}, takes_macros=True) - inside

    def component(self, crate, scope):
        """Describes a crate."""
        package = self.packages[crate]
        name, version = package["name"], package["version"]
        component = {
            "type": "library",
            "bom-ref": reference(package),
            "name": name,
            "version": version,
            "scope": scope,
            "licenses": licence(package),
        }
        if package["source"]:
            component["purl"] = f"pkg:cargo/{name}@{version}"
            component["hashes"] = [{"alg": "SHA-256", "content": self.checksums[reference(package)]}]
        else:
            # Ours have no purl: theirs would be that of a stranger's crate of the same name.
            component["group"] = "happypath"
        return component

    def bill(self, program, program_hash, system_files):
        """Returns the bill of a program, as JSON."""
        inside, compiled_with = self.reach(program)
        own = self.package(program)
        subject = self.component(own["id"], "required")
        subject.update({"type": "application", "hashes": [{"alg": "SHA-256", "content": program_hash}]})
        crates = [self.component(one, "required") for one in inside - {own["id"]}]
        crates += [self.component(one, "excluded") for one in compiled_with]
        system = [self.standard_library(), *packages_of(system_files)]
        known = {self.packages[one]["id"]: reference(self.packages[one]) for one in inside | compiled_with}
        graph = [
            {"ref": ref, "dependsOn": sorted({known[dep] for dep in self.needs(one, {None, "build"}) if dep in known})}
            for one, ref in known.items()
        ]
        for node in graph:
            if node["ref"] == reference(own):
                node["dependsOn"] += [component["bom-ref"] for component in system]
        return as_json(
            {
                "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
                "bomFormat": "CycloneDX",
                "specVersion": "1.6",
                "version": 1,
                "metadata": {"component": subject, "lifecycles": [{"phase": "build"}]},
                "components": sorted(crates, key=lambda it: it["bom-ref"]) + system,
                "dependencies": sorted(graph, key=lambda it: it["ref"]),
            }
        )

    def standard_library(self):
        """Describes what the compiler adds to every program."""
        version = self.compiler["release"]
        return {
            "type": "library",
            "bom-ref": f"rust-std@{version}",
            "name": "rust-std",
            "version": version,
            "scope": "required",
            "purl": f"pkg:generic/rust-std@{version}",
            "licenses": [{"expression": "MIT OR Apache-2.0"}],
        }

    def terms(self, program):
        """Returns the terms of all that is in a program, each text once, after the crates that come under it."""
        crates_of = defaultdict(list)
        silent = []
        inside, _ = self.reach(program)
        for package in sorted((self.packages[one] for one in inside - self.members), key=reference):
            folder = Path(package["manifest_path"]).parent
            files = sorted(path for path in folder.iterdir() if path.is_file() and TERMS.match(path.name))
            for path in files:
                crates_of[path.read_text(errors="replace").strip()].append(reference(package))
            if not files:
                silent.append(f"{reference(package)}: {package['license']}")
        parts = [f"{', '.join(dict.fromkeys(crates))}\n\n{text}" for text, crates in crates_of.items()]
        parts.append("Without a text of their own:\n\n" + "\n".join(silent))
        return ("\n\n" + "-" * 80 + "\n\n").join(parts).encode() + b"\n"


def packages_of(system_files):
    """Describes the packages of the system whose files are in an image, each with these files."""
    components = {}
    for one in system_files:
        path = one.file.path
        ref = f"{one.package}@{one.version}" if one.package else path
        component = components.setdefault(
            ref,
            {
                "type": "library",
                "bom-ref": ref,
                "name": one.package or Path(path).name,
                "scope": "required",
                "licenses": [{"expression": one.licence}],
                "components": [],
            },
        )
        if one.package:
            component["version"] = one.version
            component["purl"] = f"pkg:deb/debian/{one.package}@{one.version}?arch={one.architecture}"
        component["components"].append(
            {"type": "file", "bom-ref": f"file:{path}", "name": path, "hashes": [file_hash(one.file)]}
        )
    return [components[ref] for ref in sorted(components)]


def file_hash(file):
    """Returns the hash of a file as a bill has it."""
    return {"alg": "SHA-256", "content": hashlib.sha256(file.content).hexdigest()}
