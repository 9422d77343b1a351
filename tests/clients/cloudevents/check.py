"""CloudEvents of public SDKs arrive: check.py PROGRAM SENDER.

Every SDK sends one story in every mode that it has, all of it twice, and what came of it is read back by the contracts. Then comes
what nobody should send. PROGRAM is `happypath`, and SENDER the program with the SDK for Rust.
"""

import sys
import uuid

import hostile
import mapping
import sdks
from neighbours import Guarded, Reader, until
from story import look, story

# Words with letters that only some SDKs can write into a header.
ABROAD = "Zürich & 東京"


def main(program, sender):
    """Runs everything."""
    with Guarded(program) as guarded:
        key, bad, mapped = (guarded.write_key(name) for name in ("shop", "careless", "crm"))
        reader = Reader(guarded.address, guarded.key)
        print("SDKs, each story sent twice")
        stories(guarded.address, reader, key, sender)
        print("Sources")
        mapping.mapped(guarded, reader, mapped, "crm")
        print("What nobody should send")
        hostile.everything(guarded, reader, bad, "careless")
        shown = [kept for kept in (guarded.logged(), str(reader.dead_letters("careless"))) if key in kept or bad in kept]
        assert not shown, "a key is shown where others read"
        memory = guarded.memory()
        print(f"  the server never had more than {memory} MiB")
        assert memory < hostile.MEMORY_MIB, memory


def stories(address, reader, key, sender):
    """Has every SDK send its story in every mode, and looks at all that came of it."""
    ways = {
        "python": sdks.with_python,
        "node": sdks.with_node,
        "rust": sdks.with_rust(sender),
        "protobuf": sdks.with_protobuf,
    }
    tags = {}
    for name, send in ways.items():
        for mode in sdks.MODES:
            if name == "protobuf" and mode == "binary":
                # It is the way of the data alone: there is nothing of these messages in it.
                continue
            tag = uuid.uuid4().hex[:12]
            # The SDKs for Node and Rust write headers as they are.
            abroad = {"region": ABROAD} if (name, mode) == ("python", "binary") else {}
            for _ in range(2):
                send(address, key, mode, story(tag, **abroad))
            tags[name, mode] = tag
    customers = {look(reader, until, f"{name}, {mode}", tag) for (name, mode), tag in tags.items()}
    made = set(reader.customers())
    assert made == customers, f"{len(made - customers)} customers are nobody"
    count = 2 * 3 * len(tags)
    assert reader.statistics("shop") == {("shop", "ACCEPTED"): count}, reader.statistics("shop")
    assert not reader.dead_letters("shop")
    print(f"  {len(tags)} stories made {len(made)} customers, and {count} events were accepted, of which half count")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    main(*sys.argv[1:])
