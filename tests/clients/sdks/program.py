"""Runs the program beside the tests: a server that asks for keys, and the command line."""

import json
import os
import subprocess
import tempfile
import time

# How long a start may take.
PATIENCE_SECONDS = 30


class Guarded:
    """A server of its own that lets in callers with keys only, until closed."""

    def __init__(self, program):
        self._program, self._folder = program, tempfile.TemporaryDirectory(prefix="happypath.", ignore_cleanup_errors=True)
        folder = self._folder.name
        self.key = run(program, "keys", "bootstrap", "--folder", folder, "--json")["key"]
        self._log = open(f"{folder}/log", "w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [program, "dev", "--folder", folder, "--listen", "127.0.0.1:0", "--access", "required", "--json"],
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=bare(),
            text=True,
        )
        self.address = json.loads(self._process.stdout.readline())["address"]

    def write_key(self, source):
        """Makes a write key of a source."""
        name = f"{source}-{time.monotonic_ns()}"
        return self.run("keys", "create", name, "--source", source)["key"]

    def run(self, *arguments):
        """Runs a command that asks this server, and returns its JSON."""
        return run(self._program, *arguments, "--address", self.address, "--json", HAPPYPATH_KEY=self.key)

    def memory(self):
        """The most memory that it ever had, in MiB; 0 where the system does not tell."""
        try:
            with open(f"/proc/{self._process.pid}/status", encoding="utf-8") as status:
                line = next(line for line in status if line.startswith("VmHWM:"))
        except OSError:
            return 0
        return int(line.split()[1]) // 1024

    def logged(self):
        """Everything that it wrote to its log so far."""
        with open(f"{self._folder.name}/log", encoding="utf-8") as log:
            return log.read()

    def close(self):
        """Stops it."""
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)
        self._log.close()
        self._folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def run(program, *arguments, **environment):
    """Runs a command, and returns the JSON that it prints."""
    done = subprocess.run(
        [program, *arguments], env=bare() | environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 0, f"{arguments} ended with {done.returncode}: {done.stderr}"
    return json.loads(done.stdout)


def bare():
    """The environment without settings of the product, which could lead elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HAPPYPATH_")}
