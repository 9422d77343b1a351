"""Starts a Redis and a PostgreSQL of their own on free ports, and stops them."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

PATIENCE_SECONDS = 60


def free_port():
    """Returns a port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port, process):
    """Waits until a server takes connections."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"{process.args[0]} did not listen within {PATIENCE_SECONDS} s")


@contextmanager
def running(command, port, **options):
    """Runs a server until the end of the block."""
    output = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=output, stdout=output, stderr=output, cwd="/", **options)
    try:
        wait_for(port, process)
        yield
    finally:
        # For PostgreSQL: now, whoever is still connected.
        process.send_signal(signal.SIGINT)
        process.wait()


@contextmanager
def redis():
    """Runs a Redis and gives its URL."""
    port = free_port()
    with running(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""], port):
        # By name, so that programs in images have to look names up.
        yield f"redis://localhost:{port}"


def postgres_programs():
    """Returns the folder of the newest PostgreSQL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return (found[-1] if found else Path(shutil.which("initdb")).resolve()).parent


@contextmanager
def postgres(scratch):
    """Runs a PostgreSQL and gives the URL of a database."""
    programs, port = postgres_programs(), free_port()
    folder = scratch / "postgres"
    folder.mkdir()
    # It refuses to be root.
    options = {}
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        os.chown(folder, user.pw_uid, user.pw_gid)
    data = folder / "data"
    made = [programs / "initdb", "--no-sync", "-A", "trust", "-U", "postgres", "--locale=C", "-E", "UTF8", "-D", data]
    subprocess.run(made, check=True, cwd="/", stdout=subprocess.DEVNULL, **options)
    command = [programs / "postgres", "-D", data, "-p", str(port), "-k", folder, "-c", "fsync=off"]
    with running([*command, "-c", "listen_addresses=127.0.0.1"], port, **options):
        yield f"postgres://postgres@localhost:{port}/postgres"
