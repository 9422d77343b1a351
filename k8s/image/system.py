"""Finds what a program needs of the system that it was linked on: its loader, its shared libraries, authorities.

Takes them from this machine, so that a program meets the C library that it was linked with. Knows no program by name.
"""

import re
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from layout import File

# The licences of what may be taken along: whoever adds a shared library says here under which terms it is passed on.
LICENCES = [
    (r"ld-linux[-\w]*\.so\.\d|lib(c|m)\.so\.6", "LGPL-2.1-or-later"),
    (r"libgcc_s\.so\.1", "GPL-3.0-or-later WITH GCC-exception-3.1"),
]
# By e_machine of an ELF header.
ARCHITECTURES = {0x3E: "amd64", 0xB7: "arm64"}
# Where programs look first for the authorities that they trust.
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
# The authorities as the package brings them. The file of this machine may have its owner's besides, and whoever pulls an
# image has no reason to trust those.
PACKAGED_AUTHORITIES = Path("/usr/share/ca-certificates")
# Names are looked up in /etc/hosts, which runtimes provide, and then in DNS. Both are part of the C library.
NAME_SWITCH = File("/etc/nsswitch.conf", b"hosts: files dns\n")


class Unfit(Exception):
    """What cannot go into an image, and what to do about it."""


@dataclass(frozen=True)
class SystemFile:
    """A file of this system in an image, with the package that it is from, where there are packages."""

    file: File
    licence: str
    package: str = ""
    version: str = ""
    architecture: str = ""


def platform(program):
    """Returns the platform of a program by its first bytes."""
    with program.open("rb") as opened:
        head = opened.read(20)
    machine = struct.unpack("<H", head[18:20])[0] if head[:4] == b"\x7fELF" else None
    if machine not in ARCHITECTURES:
        raise Unfit(f"{program} is no program for Linux on {' or '.join(ARCHITECTURES.values())}: compile it there")
    return {"os": "linux", "architecture": ARCHITECTURES[machine]}


def output_of(*command):
    """Returns what a command says, or nothing where it fails or is not there."""
    if not shutil.which(command[0]):
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def package_of(path):
    """Returns the Debian package of a file with its version and architecture; empty texts where there is none."""
    # A folder may be a link since /lib moved into /usr, and the list of a package names either.
    owners = (output_of("dpkg-query", "-S", str(name)).partition(": ")[0] for name in (path, path.resolve()))
    owner = next(filter(None, owners), "")
    shown = output_of("dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}", owner) if owner else ""
    return tuple(shown.split()) if shown else ("", "", "")


def system_file(path, is_program=False):
    """Reads a file of this system, under the path by which programs look for it."""
    licence = next((licence for name, licence in LICENCES if re.fullmatch(name, path.name)), None)
    if licence is None:
        raise Unfit(f"the licence of {path} is not known: say it in LICENCES of {__file__}, or do without the library")
    return SystemFile(File(str(path), path.read_bytes(), is_program), licence, *package_of(path))


def libraries(program):
    """Lists the loader and the shared libraries of a program, as the loader finds them."""
    # The library path of this shell is none of the image's.
    clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False, env=clean)
    if "not a dynamic executable" in done.stdout + done.stderr or "statically linked" in done.stdout:
        return []
    missing = re.findall(r"(\S+) => not found", done.stdout)
    if done.returncode or missing:
        raise Unfit(f"{program} lacks {', '.join(missing) or done.stderr.strip()}: install what it was linked with")
    paths = sorted({Path(path) for path in re.findall(r"(/\S+) \(0x", done.stdout)})
    return [system_file(path, is_program=path.name.startswith("ld-")) for path in paths]


def authorities():
    """Reads the public authorities: stores and services at rediss:// and https:// are checked against them."""
    files = sorted(PACKAGED_AUTHORITIES.rglob("*.crt"))
    if not files:
        raise Unfit(f"there are no authorities in {PACKAGED_AUTHORITIES}: install ca-certificates of Debian or Ubuntu")
    content = b"".join(file.read_bytes().rstrip(b"\n") + b"\n" for file in files)
    return SystemFile(File(AUTHORITIES, content), "MPL-2.0", *package_of(files[0]))


def terms_of(files):
    """Lists the files of terms that packages ask to be passed on with what is theirs."""
    names = sorted({f"/usr/share/doc/{file.package}/copyright" for file in files if file.package})
    return [File(name, Path(name).read_bytes()) for name in names if Path(name).is_file()]
