"""Runs the programs of images as Kubernetes does, without a daemon: as nobody, first process, on a root that is read-only.

What this machine forbids is left out: see `WAYS`. There are no limits of memory and no seccomp.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from image import USER

# What a runtime adds to the files of an image.
FOLDERS = ["proc", "dev", "tmp"]
FILES = ["etc/hosts", "etc/resolv.conf"]


def tool(name):
    """Returns the path of a program of this machine, since a container has a PATH of its own."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise FileNotFoundError(f"{name} is not installed: install util-linux and coreutils")
    return found


def mounted(last):
    """Returns a script that mounts the root `$0` read-only, then becomes `last` with the program in `$@`."""
    mount = tool("mount")
    return (
        f'set -e; {mount} --bind "$0" "$0"; {mount} -t proc proc "$0/proc"; {mount} -o remount,bind,ro "$0"; '
        f'exec {tool("setpriv")} --no-new-privs {last} "$@"'
    )


def as_root(root):
    """Returns the beginning of a command that has namespaces of its own, for root."""
    change = f'{tool("chroot")} --userspec={USER}:{USER} --groups= "$0"'
    spaces = [tool("unshare"), "--mount", "--pid", "--fork", "--kill-child"]
    return [*spaces, tool("sh"), "-c", mounted(change), str(root)]


def as_anybody(root):
    """Returns the beginning of a command that has namespaces of its own, for users without rights."""
    change = f'{tool("unshare")} --user --map-user={USER} --map-group={USER} --root="$0" --wd=/'
    spaces = [tool("unshare"), "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"]
    return [*spaces, tool("sh"), "-c", mounted(change), str(root)]


def without_namespaces(root):
    """Returns the beginning of a command for root where namespaces are forbidden, as in many containers."""
    change = [tool("chroot"), f"--userspec={USER}:{USER}", "--groups=", str(root)]
    return [tool("setpriv"), "--no-new-privs", *change]


# From the best to the poorest, with what each lacks.
WAYS = {
    "with namespaces of root": as_root,
    "with namespaces of a user": as_anybody,
    "without namespaces: not the first process, and its root is only protected by modes": without_namespaces,
}


def best_way(root, program):
    """Returns the name of the best way that this machine allows."""
    for name, way in WAYS.items():
        command = [*way(root), program, "--version"]
        if subprocess.run(command, capture_output=True, check=False, env={}).returncode == 0:
            return name
    raise PermissionError("no way to run an image: run this as root, or allow user namespaces")


class Container:
    """The unpacked image of a program, ready to be run any number of times."""

    def __init__(self, image, root, way):
        self.image, self.root, self.way = image, root, way

    def provide(self, path, content):
        """Puts a file into the root, as a volume would."""
        inside = self.root / path
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.write_text(content)

    def command(self, arguments):
        """Returns the command that runs the program in its root."""
        return [*WAYS[self.way](self.root), *self.image.settings["Entrypoint"], *arguments]

    def environment(self, added):
        """Returns the variables of the image with others."""
        return dict(entry.split("=", 1) for entry in self.image.settings["Env"]) | added

    def run(self, *arguments, **variables):
        """Runs the program to its end, and returns how it went."""
        command, env = self.command(arguments), self.environment(variables)
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)

    def start(self, log, **variables):
        """Starts the program, which writes to `log`."""
        with log.open("w") as opened:
            env = self.environment(variables)
            return Process(subprocess.Popen(self.command([]), env=env, stdout=opened, stderr=subprocess.STDOUT), log)


class Process:
    """A program that runs in a container."""

    def __init__(self, outer, log):
        self.outer, self.log = outer, log

    def inner(self):
        """Returns the id of the program: the last of those that each started the next."""
        last = self.outer.pid
        while children := Path(f"/proc/{last}/task/{last}/children").read_text().split():
            last = int(children[0])
        return last

    def stop(self, grace_seconds):
        """Asks the program to end, as Kubernetes does; returns its exit code and how many seconds it took."""
        begun = time.monotonic()
        os.kill(self.inner(), signal.SIGTERM)
        code = self.outer.wait(timeout=grace_seconds)
        return code, time.monotonic() - begun

    def kill(self):
        """Ends the program at once, if it still runs."""
        if self.outer.poll() is None:
            # Not the outer process: who changes its user outlives whoever started it.
            os.kill(self.inner(), signal.SIGKILL)
            self.outer.wait()


def unpacked(image, folder):
    """Unpacks an image and adds what a runtime adds."""
    image.unpack(folder)
    for path in FOLDERS:
        (folder / path).mkdir(exist_ok=True)
    for path in FILES:
        source = Path("/") / path
        (folder / path).write_text(source.read_text() if source.is_file() else "127.0.0.1 localhost\n")
