"""Makes the modules of the contracts: python generate.py FOLDER.

Messages, stubs and their types come from `proto/api`, the reasons for which calls fail from the list of the services. Rules of
fields, bindings to HTTP and scopes are left out: the server holds them, and modules that nobody imports cannot stand in the way
of those of other packages, such as `buf` and `google.api`.
"""

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import grpc_tools
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
PROTOS = HERE.parent.parent
REASONS = PROTOS.parent / "shared/rpc/src/reason.rs"
# Files that hold nothing but options.
OPTIONS = {
    "buf/validate/validate.proto",
    "google/api/annotations.proto",
    "google/api/http.proto",
    "happypath/access/v1/access.proto",
}
# A line such as: InvalidRequest = "INVALID_REQUEST", InvalidArgument, "Correct every field."; a remedy may stand on the next
# line.
REASON = re.compile(r'^ {4}\w+ = "(?P<reason>[A-Z_]+)", \w+,\s*(?P<remedy>"(?:[^"\\]|\\.)*");', re.MULTILINE)


def has_contracts():
    """Tells whether the contracts are at hand, as they are in the repository."""
    return (PROTOS / "api/happypath").is_dir() and REASONS.is_file()


def generate(folder):
    """Makes all modules below a folder, in place of what is there.

    Raises:
        RuntimeError: A contract cannot be compiled, or the list of reasons cannot be read.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="happypath.") as scratch:
        contracts = Path(scratch, "contracts.binpb")
        contracts.write_bytes(_bare(_compiled(scratch)))
        files = [file for file in _parsed(contracts.read_bytes()).file if file.package.startswith("happypath.")]
        _generate(contracts, folder, ("python", "mypy"), [file.name for file in files])
        _generate(contracts, folder, ("grpc_python", "mypy_grpc"), [file.name for file in files if file.service])
    for package in {path.parent for path in folder.glob("happypath/*/**/*.py")} | set(folder.glob("happypath/*/")):
        (package / "__init__.py").touch()
    (folder / "happypath/reasons.py").write_text(_reasons(), encoding="utf-8")


def _compiled(scratch):
    """Returns the contracts of all services, and what these import, as a descriptor set."""
    out = Path(scratch, "all.binpb")
    services = sorted(str(path.relative_to(PROTOS / "api")) for path in PROTOS.glob("api/happypath/*/v1/*_service.proto"))
    roots = (
        PROTOS / "api",
        PROTOS / "vendor/protovalidate",
        PROTOS / "vendor/googleapis",
        Path(grpc_tools.__file__).parent / "_proto",
    )
    _protoc(*(f"-I{root}" for root in roots), "--include_imports", "--include_source_info", f"-o{out}", *services)
    return out.read_bytes()


def _bare(encoded):
    """Returns a descriptor set without options that others define, and without the files that define them."""
    bare = descriptor_pb2.FileDescriptorSet()
    for file in _parsed(encoded).file:
        if file.name in OPTIONS:
            continue
        imports = [name for name in file.dependency if name not in OPTIONS]
        del file.dependency[:]
        file.dependency.extend(imports)
        # Nobody registered these options here, so that they are unknown fields.
        file.DiscardUnknownFields()
        bare.file.append(file)
    return bare.SerializeToString()


def _generate(contracts, folder, kinds, files):
    """Runs the generators of these kinds on files of a descriptor set."""
    plugins = [f"--plugin=protoc-gen-{kind}={_script(f'protoc-gen-{kind}')}" for kind in kinds if kind.startswith("mypy")]
    options = [f"--{kind}_opt=quiet" for kind in kinds if kind.startswith("mypy")]
    outputs = [f"--{kind}_out={folder}" for kind in kinds]
    _protoc(f"--descriptor_set_in={contracts}", *plugins, *options, *outputs, *files)


def _parsed(encoded):
    return descriptor_pb2.FileDescriptorSet.FromString(encoded)


def _protoc(*arguments):
    if protoc.main(["protoc", *arguments]) != 0:
        raise RuntimeError("the contracts cannot be compiled: the lines above say why")


def _script(name):
    """Returns the path of a program that was installed beside this Python."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} is not installed: it comes with mypy-protobuf")
    return found


def _reasons():
    """Returns a module of the reasons with their remedies.

    Raises:
        RuntimeError: The list is not written as it was.
    """
    text = REASONS.read_text(encoding="utf-8")
    found = {match["reason"]: json.loads(match["remedy"]) for match in REASON.finditer(text)}
    if not found or len(found) != len(re.findall(r'^ {4}\w+ = "', text, re.MULTILINE)):
        raise RuntimeError(f"{len(found)} reasons are found in {REASONS}, which is not all of them")
    lines = "".join(f"    {json.dumps(reason)}: {json.dumps(remedy, ensure_ascii=False)},\n" for reason, remedy in found.items())
    title = '"""The reasons for which calls fail, with the remedy of each. Generated."""'
    return f"{title}\n\nREMEDIES: dict[str, str] = {{\n{lines}}}\n"


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
