"""Holds the bill of materials in an image against the schema of CycloneDX, the files of the image and `cargo tree`."""

import hashlib
import json
import re
import subprocess
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parents[2]
AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"
# Those that the owner of a machine trusts beyond the public ones.
OWN_AUTHORITIES = Path("/usr/local/share/ca-certificates")


def tree(program, *options):
    """Returns the crates of a program as `cargo tree` sees them: name@version."""
    command = ["cargo", "tree", "-p", program, "--prefix", "none", "--locked", "--offline", *options]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {f"{name}@{version}" for name, version in re.findall(r"^(\S+) v(\S+)", shown, re.M)}


def faults(image):
    """Lists what is wrong with the bill of an image."""
    program = image.program
    text = image.read(f"usr/share/doc/happypath/{program}.cdx.json")
    if (image.folder.parent / f"{program}.cdx.json").read_bytes() != text:
        yield "the bill beside the image is another one than that in it"
    broken = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.decode())
    if broken:
        yield f"its bill does not fit the schema: {broken}"
    bill = json.loads(text)
    yield from faults_of_crates(program, bill)
    yield from faults_of_hashes(image, bill)
    yield from faults_of_terms(image, bill)
    trusted = image.read(AUTHORITIES)
    for own in OWN_AUTHORITIES.rglob("*.crt"):
        if own.read_bytes().strip() in trusted:
            yield f"trusts {own}, an authority of this machine alone"


def faults_of_crates(program, bill):
    """Lists crates that the bill should name and does not, and those that nobody can name."""
    named = {f"{it['name']}@{it['version']}": it["scope"] for it in bill["components"] if it.get("version")}
    named[f"{program}@{bill['metadata']['component']['version']}"] = "required"
    # Macros run in the compiler, and so does what only they need.
    inside = tree(program, "--edges", "normal,no-proc-macro")
    for crate in sorted(inside - {name for name, scope in named.items() if scope == "required"}):
        yield f"its bill does not say that the program holds {crate}"
    for crate in sorted(tree(program, "--edges", "normal,build") - set(named)):
        yield f"its bill lacks {crate}"
    for component in bill["components"]:
        if component.get("purl", "").startswith("pkg:cargo/") and not component.get("hashes"):
            yield f"its bill has no checksum of {component['name']}"


def faults_of_hashes(image, bill):
    """Lists files whose bytes are not those that the bill names."""
    told = {f"usr/bin/{image.program}": bill["metadata"]["component"]["hashes"]}
    for component in bill["components"]:
        for file in component.get("components", []):
            told[file["name"].lstrip("/")] = file["hashes"]
    # What links or is trusted comes from elsewhere: each of those files is of some component.
    foreign = {path for path in image.entries if re.search(r"\.so\.\d|\.crt$|usr/bin/.", path)}
    for path in sorted(foreign - set(told)):
        yield f"its bill does not say where {path} is from"
    for path, hashes in told.items():
        if hashes[0]["content"] != hashlib.sha256(image.read(path)).hexdigest():
            yield f"{path} has another hash than the bill says"


def faults_of_terms(image, bill):
    """Lists crates that are passed on without their terms."""
    terms = image.read("usr/share/doc/happypath/third-party").decode()
    for component in bill["components"]:
        if not component.get("licenses"):
            yield f"its bill has no licence of {component['name']}"
        if component["scope"] == "required" and component.get("purl", "").startswith("pkg:cargo/"):
            if component["bom-ref"] not in terms:
                yield f"is passed on without the terms of {component['bom-ref']}"
