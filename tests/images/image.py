"""Reads an OCI image layout as a registry and a runtime do, and lists what is wrong with what is in it.

Knows the promises of README.md, "Images", and nothing of how images are made.
"""

import gzip
import hashlib
import io
import json
import re
import shutil
import tarfile
from functools import cached_property

USER = 65532
# The most that an image of a release build takes on a node.
LARGEST_BYTES = 60_000_000
# The ports that each program serves where nobody says otherwise.
PORTS = {
    "identity": {"7401/tcp"},
    "segmentation": {"7402/tcp"},
    "journey": {"7403/tcp"},
    "activation": {"7404/tcp"},
    "gateway": {"7405/tcp"},
    "happypath": set(),
}
# Every file that an image may hold, and must.
FILES = [
    r"etc/nsswitch\.conf",
    r"etc/ssl/certs/ca-certificates\.crt",
    r"(usr/)?lib(64|/\w+-linux-gnu)?/ld-linux[-\w]*\.so\.\d",
    r"(usr/)?lib(64|/\w+-linux-gnu)/libc\.so\.6",
    r"(usr/)?lib(64|/\w+-linux-gnu)/libm\.so\.6",
    r"(usr/)?lib(64|/\w+-linux-gnu)/libgcc_s\.so\.1",
    r"usr/bin/{program}",
    r"usr/share/doc/happypath/LICENSE",
    r"usr/share/doc/happypath/third-party",
    r"usr/share/doc/happypath/{program}\.cdx\.json",
]
# Further files, of packages of the system that have them.
OPTIONAL = [r"usr/share/doc/(libc6|libgcc-s1|ca-certificates)/copyright"]
LABELS = {"title", "description", "licenses", "version"}


class Image:
    """The image of a program in a folder."""

    def __init__(self, folder, program):
        self.folder, self.program = folder, program
        index = json.loads((folder / "index.json").read_text())
        (tagged,) = index["manifests"]
        self.digest = tagged["digest"]
        self.tag = tagged["annotations"]["org.opencontainers.image.ref.name"]
        self.manifest = json.loads(self.blob(tagged))
        self.config = json.loads(self.blob(self.manifest["config"]))
        self.settings = self.config["config"]

    def blob(self, descriptor):
        """Reads a blob, whose bytes must be those that its name promises."""
        algorithm, name = descriptor["digest"].split(":")
        content = (self.folder / "blobs" / algorithm / name).read_bytes()
        if hashlib.new(algorithm, content).hexdigest() != name or len(content) != descriptor["size"]:
            raise ValueError(f"blob {name} is not what its name says")
        return content

    @cached_property
    def layers(self):
        """The layers, taken apart, from the lowest to the highest."""
        return [gzip.decompress(self.blob(layer)) for layer in self.manifest["layers"]]

    @cached_property
    def entries(self):
        """The entries of all layers by path."""
        return {entry.name: entry for layer in self.layers for entry in archive(layer)}

    def read(self, path):
        """Returns the bytes of a file in the image."""
        for layer in reversed(self.layers):
            with archive(layer) as opened:
                if path in opened.getnames():
                    return opened.extractfile(path).read()
        raise KeyError(path)

    def unpack(self, folder):
        """Writes all files into a new folder, as a runtime does for a container."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for layer in self.layers:
            with archive(layer) as opened:
                for entry in opened:
                    path = folder / entry.name
                    if entry.isdir():
                        path.mkdir(exist_ok=True)
                    else:
                        path.write_bytes(opened.extractfile(entry).read())
                    path.chmod(entry.mode)

    def faults(self):
        """Lists what is wrong with the image, but for how it runs."""
        return [*self._faults_of_files(), *self._faults_of_rights(), *self._faults_of_settings()]

    def _faults_of_files(self):
        files = [path for path, entry in self.entries.items() if not entry.isdir()]
        must = [pattern.replace("{program}", self.program) for pattern in FILES]
        for path in files:
            if not any(re.fullmatch(pattern, path) for pattern in must + OPTIONAL):
                yield f"holds {path}, which no promise names"
        for pattern in must:
            if not any(re.fullmatch(pattern, path) for path in files):
                yield f"lacks {pattern}"

    def _faults_of_rights(self):
        for path, entry in self.entries.items():
            if not (entry.isfile() or entry.isdir()):
                yield f"{path} is neither a file nor a folder"
            if (entry.uid, entry.gid) != (0, 0) or entry.mode & 0o7022:
                yield f"{path} is of {entry.uid}:{entry.gid} with mode {entry.mode:o}: others than root may change it"
            if entry.mtime:
                yield f"{path} has a time of its own"

    def _faults_of_settings(self):
        settings, program = self.settings, self.program
        expected = {
            "User": f"{USER}:{USER}",
            "Entrypoint": [f"/usr/bin/{program}"],
            "WorkingDir": "/",
            "StopSignal": "SIGTERM",
        }
        for name, value in expected.items():
            if settings.get(name) != value:
                yield f"{name} is {settings.get(name)!r} instead of {value!r}"
        if set(settings.get("ExposedPorts", {})) != PORTS[program]:
            yield f"exposes {settings.get('ExposedPorts')} instead of {PORTS[program]}"
        names = {name.removeprefix("org.opencontainers.image.") for name in settings["Labels"]}
        if LABELS - names or names - LABELS - {"revision"}:
            yield f"has the labels {sorted(names)} instead of {sorted(LABELS)}"
        layers = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in self.layers]
        if layers != self.config["rootfs"]["diff_ids"]:
            yield "its layers are not those that its configuration names"

    def faults_of_size(self):
        """Lists whether a release build is larger than promised."""
        size = sum(entry.size for entry in self.entries.values())
        if size >= LARGEST_BYTES:
            yield f"has {size / 1e6:.1f} MB: under {LARGEST_BYTES / 1e6:.0f} MB are promised"


def archive(content):
    """Opens the archive of a layer."""
    return tarfile.open(fileobj=io.BytesIO(content))
