"""Writes OCI image layouts whose every byte follows from what goes in: owner, times and order are fixed.

Knows files, layers and manifests, and nothing of what is in them. https://github.com/opencontainers/image-spec
"""

import hashlib
import io
import json
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
# Tells zlib to write the header and the end of gzip, without name and time.
GZIP = 31


@dataclass(frozen=True)
class File:
    """A file of an image, which root owns and only root may change."""

    path: str
    content: bytes
    is_program: bool = False


@dataclass(frozen=True)
class Layer:
    """A layer as it is stored, and the digest of what it is once it is taken apart."""

    packed: bytes
    plain_digest: str
    origin: str


def digest(content):
    """Returns the digest by which a registry knows some bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def as_json(value):
    """Returns the only form of a value that is ever written."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def folders_of(files):
    """Lists the folders that hold files, each after the one that holds it."""
    parents = {str(parent) for file in files for parent in Path(file.path).parents}
    return sorted(parents - {".", "/"})


def entry(path, mode):
    """Returns the head of an entry of an archive: of root, and of the first second of 1970."""
    info = tarfile.TarInfo(path.lstrip("/"))
    info.mode, info.mtime, info.uid, info.gid, info.uname, info.gname = mode, 0, 0, 0, "", ""
    return info


def pack(files, origin, compression):
    """Makes a layer of files; `origin` says in the history of the image where they are from."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in folders_of(files):
            folder = entry(path, 0o755)
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
        for file in sorted(files, key=lambda file: file.path):
            info = entry(file.path, 0o755 if file.is_program else 0o644)
            info.size = len(file.content)
            archive.addfile(info, io.BytesIO(file.content))
    content = plain.getbuffer()
    packer = zlib.compressobj(compression, zlib.DEFLATED, GZIP)
    return Layer(packer.compress(content) + packer.flush(), digest(content), origin)


def write(folder, tag, layers, platform, settings, created):
    """Writes an image into `folder` and returns the digest of its manifest; what was there before goes.

    `platform` has `os` and `architecture`, `settings` what a runtime starts, `created` the time of the image.
    """
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    for old in blobs.iterdir():
        old.unlink()

    def blob(media_type, content):
        name = digest(content)
        (blobs / name.removeprefix("sha256:")).write_bytes(content)
        return {"mediaType": media_type, "digest": name, "size": len(content)}

    config = {
        **platform,
        "created": created,
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [layer.plain_digest for layer in layers]},
        "history": [{"created": created, "created_by": layer.origin} for layer in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blob(CONFIG, as_json(config)),
        "layers": [blob(LAYER, layer.packed) for layer in layers],
        # Registries show annotations, and runtimes labels.
        "annotations": {"org.opencontainers.image.created": created, **settings["Labels"]},
    }
    named = blob(MANIFEST, as_json(manifest))
    tagged = {**named, "platform": platform, "annotations": {"org.opencontainers.image.ref.name": tag}}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [tagged]}
    (folder / "oci-layout").write_bytes(as_json({"imageLayoutVersion": "1.0.0"}))
    (folder / "index.json").write_bytes(as_json(index))
    return named["digest"]
