"""SDKs as they are published, and a browser, send to a server: check.py ADDRESS PROGRAM.

They know the host and a key. All that they send is read back by the contracts. Ends with an error at the first thing that is not
as promised. PROGRAM is `happypath`, which serves once more as a server that asks for keys, for what nobody should send.
"""

import sys

import bad_input
import browser
import sdks
import sources
import taken
from program import Guarded
from reader import Reader, Refused
from wire import basic, post

# How much longer half of another sender's calls may take while somebody else sends what nobody should. They share a processor
# with those who attack here, so that this tells waiting from working, and no more.
LONGER_SECONDS = 0.1
SLOW_SENDERS = 20


def everyone(program_or_key):
    """A key for each who sends."""
    return dict.fromkeys((*sdks.ALL, *browser.WAYS), program_or_key)


def main(address, program):
    """Runs everything."""
    with Guarded(program) as guarded:
        names = ("shop", "careless", "app", "enemy", "strict")
        key, bad, other, enemy, strict = (guarded.write_key(name) for name in names)
        reader = Reader(guarded.address, guarded.key)
        senders = bad_input.Senders(guarded.address, reader, bad, "careless")
        # They take their time: all else happens meanwhile.
        all_answered = bad_input.slow(senders, SLOW_SENDERS)
        print("SDKs, with a key that names their source")
        taken.stories(guarded.address, reader, everyone(key))
        write_keys_only_send(guarded, key)
        print("Wrong clocks")
        taken.clocks(guarded.address, reader, everyone(key))
        print("Sources")
        sources.names_and_origins(guarded, reader, strict, "strict")
        sources.mended(guarded, reader, key, "shop")
        sources.large(guarded, reader, key)
        sources.devices(guarded, reader, key)
        print("An SDK on a server that asks for nothing")
        taken.one(address, Reader(address))
        print("What nobody should send")
        misuse(guarded, senders, other, enemy, all_answered)


def write_keys_only_send(guarded, key):
    """Whoever finds a write key in a web page can read nothing with it."""
    reader = Reader(guarded.address, key)
    for read in (reader.customers, reader.statistics, lambda: reader.dead_letters("shop")):
        try:
            read()
        except Refused as refused:
            assert refused.code.name == "PERMISSION_DENIED", refused
        else:
            raise AssertionError("a write key can read")
    print("  a write key reads nothing")


def misuse(guarded, senders, other, enemy, all_answered):
    """Everything bad at once, and somebody else who does not notice."""
    neighbour = bad_input.Neighbour(guarded.address, other)
    try:
        quiet = neighbour.median(least=50)
        bad_input.wrong_keys(senders, other)
        bad_input.bombs(senders)
        bad_input.endless(senders)
        bad_input.texts(senders)
        bad_input.events(senders)
        neighbour.median()
        busy = bad_input.besieged(guarded.address, enemy, lambda: neighbour.median(least=100))
        all_answered()
    finally:
        neighbour.close()
    print(f"  another sender: {quiet * 1000:.1f} ms before, {busy * 1000:.1f} ms meanwhile")
    assert busy < quiet + LONGER_SECONDS, (quiet, busy)
    bad_input.counted(senders)
    memory = guarded.memory()
    print(f"  the server never had more than {memory} MiB")
    assert memory < bad_input.MEMORY_MIB, memory
    assert post(guarded.address, "/v1/track", bad_input.track(), basic(senders.key)).status == 200
    shown = {(each["source"], each["reason"]) for each in guarded.run("status")["intake"]["counts"]}
    assert shown >= senders.expected.keys(), shown
    print("  `happypath status` tells of all")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    main(*sys.argv[1:])
