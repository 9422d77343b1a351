"""The client packages as users install them: check.py ADDRESS CACHE PROGRAM.

Both are built, installed into environments that have nothing else, held against type checkers, and run: the code of their READMEs
word for word, then what they promise, against a server that fails in many ways. Ends with an error at the first thing that
is not as promised. PROGRAM is `happypath`, which serves once more as a server that asks for keys.
"""

import json
import sys
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import environments
import readmes
from environments import run

HERE = Path(__file__).resolve().parent


def main(address, cache, program):
    """Runs everything."""
    with tempfile.TemporaryDirectory(prefix="happypath.") as folder:
        scratch = Path(folder)
        built = environments.build(scratch)
        print(f"Built {', '.join(sorted(path.name for path in built.iterdir()))}")
        with ThreadPoolExecutor() as pool:
            node = pool.submit(environments.node, scratch, built)
            newest, least = environments.pythons(Path(cache), scratch, built)
            node = node.result()
            print("Quick starts")
            python = pool.submit(readmes.check_python, newest, least, scratch, address)
            readmes.check_typescript(node, address)
            python.result()
        print("Behaviour")
        # Servers that fail are made of the installed package, so they run where that is.
        print(run(newest, HERE / "behave.py", address, program, node, HERE, json.dumps(tags())), end="")


def tags():
    """Names that no other run has, one for each part."""
    return {language: uuid.uuid4().hex[:12] for language in ("python", "asyncio", "typescript", "changes")}


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    main(*sys.argv[1:])
