"""Builds images of all programs and holds them against what README.md, "Images", promises: check.py BINARIES [--release].

With `--release` it checks their sizes too, and that a second build gives the same digests. Prints every fault, and exits
with 1 where there is one. Needs redis-server and PostgreSQL; skopeo reads the images as well where it is installed.
"""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import container
import materials
import story
from image import PORTS, Image

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = list(PORTS)


def build(binaries, output, *options):
    """Builds all images and returns them by program."""
    command = [ROOT / "k8s/image/build", "--binaries", binaries, "--output", output, *options]
    subprocess.run(command, check=True)
    return {program: Image(output / program, program) for program in PROGRAMS}


def of_all(images, faults):
    """Lists the faults of all images, each with the name of its program."""
    return [f"{program} {fault}" for program, image in images.items() for fault in faults(image)]


def faults_for_others(image):
    """Lists what a program that is not ours finds in an image."""
    if not shutil.which("skopeo"):
        return []
    command = ["skopeo", "inspect", f"oci:{image.folder}:{image.tag}"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    if shown.returncode:
        return [f"cannot be read by skopeo: {shown.stderr}"]
    digest = json.loads(shown.stdout)["Digest"]
    return [] if digest == image.digest else [f"has the digest {digest} for skopeo"]


def faults_of_base(images):
    """Lists whether images share the layer that is meant to be shared."""
    bases = {image.manifest["layers"][0]["digest"] for image in images.values()}
    return [] if len(bases) == 1 else [f"{len(bases)} lowest layers, where one is enough"]


def faults_of_rebuild(images, binaries, scratch):
    """Lists images that are different when they are built once more, from copies of the programs in another folder."""
    copies = scratch / "copies"
    copies.mkdir()
    for program in PROGRAMS:
        shutil.copyfile(binaries / program, copies / program)
        (copies / program).chmod(0o700)
    again = build(copies, scratch / "again")
    return [f"{program} has another digest" for program in PROGRAMS if images[program].digest != again[program].digest]


def faults_of_authorities(client):
    """Lists whether a program finds no authorities to check a server against: one that hangs up shows whether it looked."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        asked = client.run("get", "segment", "--address", f"https://127.0.0.1:{server.getsockname()[1]}")
    if "cannot reach" not in asked.stderr or "authorities" in asked.stderr:
        yield f"does not find its authorities: {asked.stderr}"


def faults_of_running(one):
    """Lists what is wrong with how a program runs in its image."""
    version = one.run("--version")
    if version.returncode or one.image.tag not in version.stdout:
        yield f"does not run: {version.stdout}{version.stderr}"
    if one.image.program == "happypath":
        yield from faults_of_authorities(one)
        for folder in ("/", "/usr/bin", "/tmp"):
            written = one.run("dev", "--folder", f"{folder}/stores", "--listen", "127.0.0.1:0")
            if "stores" not in written.stderr or written.returncode == 0:
                yield f"does not say that it cannot write to {folder}: {written.stdout}{written.stderr}"


def main(binaries, is_release):
    """Runs every check and returns whether all is well."""
    found = 0

    def check(name, faults):
        nonlocal found
        begun = time.monotonic()
        faults = list(faults())
        found += len(faults)
        print(f"{'FAILED' if faults else 'ok':<7} {name} ({time.monotonic() - begun:.1f} s)", flush=True)
        print(*(f"        {fault}" for fault in faults), sep="\n", end="\n" if faults else "")

    with tempfile.TemporaryDirectory(prefix="happypath-images-") as folder:
        scratch = Path(folder)
        # Users without rights have to reach it.
        scratch.chmod(0o755)
        images = build(binaries, scratch / "images", *([] if is_release else ["--compression", "1"]))
        check("images hold what is listed, of root, and start as nobody", lambda: of_all(images, Image.faults))
        check("images share the layer of the system", lambda: faults_of_base(images))
        check("bills of materials are whole and true", lambda: of_all(images, materials.faults))
        check("others can read the images", lambda: of_all(images, faults_for_others))
        if is_release:
            check("images are as small as promised", lambda: of_all(images, Image.faults_of_size))
            check("a second build gives the same digests", lambda: faults_of_rebuild(images, binaries, scratch))
        roots = {program: scratch / "roots" / program for program in PROGRAMS}
        for program, image in images.items():
            container.unpacked(image, roots[program])
        way = container.best_way(roots["identity"], "/usr/bin/identity")
        print(f"        containers run {way}")
        containers = {it: container.Container(images[it], roots[it], way) for it in PROGRAMS}

        def faults_of_story():
            try:
                ready, ended = story.play(containers, scratch)
            except (story.Fault, OSError, subprocess.SubprocessError) as fault:
                return [str(fault)]
            print(f"        all were ready after {ready:.1f} s, and had ended within {ended:.1f} s")
            return []

        check("programs run as nobody and write nowhere", lambda: of_all(containers, faults_of_running))
        check("services of images take an event through, and end in order", faults_of_story)
    return not found


if __name__ == "__main__":
    sys.exit(0 if main(Path(sys.argv[1]).resolve(), "--release" in sys.argv[2:]) else 1)
