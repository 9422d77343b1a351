"""Builds the packages, and makes fresh environments that have them. Nothing here uses a network."""

import json
import os
import shutil
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PYTHON, TYPESCRIPT = ROOT / "proto/clients/python", ROOT / "proto/clients/typescript"


def run(*command, cwd=None, **environment):
    """Runs a command and returns what it prints, and fails with all that it said where it fails."""
    done = subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(str(each) for each in command[:4])} … ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def build(scratch):
    """Returns a folder with a wheel, a source distribution and a tarball. The wheel is made from the source distribution."""
    built = scratch / "built"
    built.mkdir()
    with ThreadPoolExecutor() as pool:
        wheel = pool.submit(run, sys.executable, "-m", "build", "--no-isolation", "--outdir", built, PYTHON, cwd=scratch)
        run("npm", "pack", "--silent", "--offline", "--pack-destination", built, cwd=TYPESCRIPT)
        wheel.result()
    hold_versions(built)
    return built


def hold_versions(built):
    """Fails unless both packages have the version of the workspace."""
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    version = manifest.split("[workspace.package]")[1].split('version = "')[1].split('"')[0]
    expected = {f"happypath-{version}-py3-none-any.whl", f"happypath-{version}.tar.gz", f"happypath-client-{version}.tgz"}
    found = {path.name for path in built.iterdir()}
    assert found == expected, f"the workspace has version {version}, and these were built: {sorted(found)}"


def pythons(cache, scratch, built):
    """Returns two interpreters that have the package: beside the newest versions of others, and beside the oldest it takes."""
    wheel = next(built.glob("*.whl"))
    found = []
    for name, types in (("newest", "[types]"), ("least", "")):
        folder = scratch / name
        venv.create(folder, with_pip=True)
        python = folder / "bin/python"
        pins = HERE / f"{name}.txt"
        wheels = cache / "packages/wheels"
        extra = ["mypy"] if types else []
        run(
            *(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", "--find-links", wheels),
            *("-c", pins, f"{wheel}{types}", *extra),
        )
        found.append(python)
    return found


def node(scratch, built):
    """Returns a folder with a program that the package is installed for."""
    folder = scratch / "node"
    folder.mkdir()
    for name in ("package.json", "package-lock.json", "behave.ts", "watch.ts"):
        shutil.copy(HERE / name, folder)
    quiet = ("--silent", "--no-audit", "--no-fund", "--offline")
    run("npm", "ci", *quiet, cwd=folder)
    run("npm", "install", *quiet, "--no-save", next(built.glob("*.tgz")), cwd=folder)
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": STRICT, "include": ["*.ts"]}), encoding="utf-8")
    return folder


# A program that is as strict as programs get.
STRICT = {
    "target": "es2022",
    "module": "nodenext",
    "moduleResolution": "nodenext",
    "lib": ["es2022", "dom"],
    "types": ["node"],
    "strict": True,
    "noUncheckedIndexedAccess": True,
    "exactOptionalPropertyTypes": True,
    "skipLibCheck": False,
}
