"""The code of the READMEs: type-checked, and run word for word but for the address of the server."""

import re
from pathlib import Path

from environments import PYTHON, TYPESCRIPT, run

# The address that READMEs name.
SHOWN = "http://127.0.0.1:7400"


def blocks(readme, language):
    """Returns the pieces of code of a README, in their order."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", readme.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found, f"{readme} has no code"
    return found


def check_python(newest, least, scratch, address):
    """Checks the types of all pieces, and runs those that talk to a server."""
    folder = scratch / "quick_starts"
    folder.mkdir()
    pieces = [folder / f"piece_{number}.py" for number, _ in enumerate(blocks(PYTHON / "README.md", "python"))]
    for path, text in zip(pieces, blocks(PYTHON / "README.md", "python"), strict=True):
        path.write_text(text.replace(SHOWN, address), encoding="utf-8")
    run(newest, "-m", "mypy", "--strict", "-p", "happypath", cwd=folder)
    run(newest, "-m", "mypy", "--strict", *pieces, cwd=folder)
    for python in (newest, least):
        said = [run(python, path) for path in pieces if address in path.read_text(encoding="utf-8")]
        assert len(said) == 2, said
        expect(said[0], "customer ", "2 taken, 0 refused", "'lesson_finished': ")
        assert said[1] == "", said[1]
    print("  Python: types by mypy --strict; runs beside the newest and the oldest versions of grpcio and protobuf")


def check_typescript(node, address):
    """Checks the types of all pieces, and runs those that talk to a server; the first also by the way of browsers."""
    pieces = blocks(TYPESCRIPT / "README.md", "ts")
    for number, text in enumerate(pieces):
        # A piece that has a name is imported by it.
        exported = re.search(r"^export (?:async function|const) (\w+)", text, re.MULTILINE)
        name = exported[1] if exported else f"piece_{number}"
        (node / f"{name}.ts").write_text(text.replace(SHOWN, address), encoding="utf-8")
    run(node / "node_modules/.bin/tsc", "-p", ".", cwd=node)
    talking = [number for number, text in enumerate(pieces) if SHOWN in text]
    said = [run("node", f"piece_{number}.js", cwd=node) for number in talking]
    assert len(said) == 2, said
    expect(said[0], "customer ", "2 taken, 0 refused", "lesson_finished ")
    assert said[1] == "", said[1]
    by_fetch = run("node", "--conditions=browser", f"piece_{talking[0]}.js", cwd=node)
    expect(by_fetch, "customer ", "2 taken, 0 refused", "lesson_finished ")
    print("  TypeScript: types by tsc, strict; runs by gRPC, and by Connect over fetch as in a browser")


def expect(said, *parts):
    """Fails unless a program said all of this."""
    missing = [part for part in parts if part not in said]
    assert not missing, f"{missing} is not in:\n{said}"


def piece(readme, language, name):
    """Returns the piece of code that defines a name."""
    return next(text for text in blocks(Path(readme), language) if name in text)
