#!/usr/bin/env python3
"""Runs the benches of a build and prints what they found.

    tests/bench/run.py --build build/release [--rounds 9] [NAME…]

Each bench is a program, NAME_bench, that runs its rounds against its own
baseline in the same minute: read the ratios, not the numbers. A machine that
does something else meanwhile is said so, for it makes liars of all of them.
"""

import argparse
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def program(name):
    """A bench of C: takes what `arguments` makes of the rounds."""
    return lambda build, arguments: [build / "tests" / f"{name}_bench", *arguments]


# What each bench is, and how it is run in a build for so many rounds.
BENCHES = {
    "frames": (
        "frames between two processes, beside raw sockets",
        lambda build, rounds: program("frames")(build, ["--rounds", rounds]),
    ),
    "data": (
        "records in DATA frames between two processes, beside raw sockets",
        lambda build, rounds: program("data")(build, ["--rounds", rounds]),
    ),
    "records": (
        "records through streams, without sockets",
        lambda build, rounds: program("records")(build, [rounds]),
    ),
    "gossip": (
        "what gossip costs a node",
        lambda build, rounds: program("gossip")(build, []),
    ),
    "node": (
        "whole nodes: lines, first contact, and a node at rest",
        lambda build, rounds: [sys.executable, "-B", HERE / "node_bench.py",
                               "--weft", build / "weft", "--rounds", rounds],
    ),
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/release", type=pathlib.Path)
    parser.add_argument("--rounds", default=9, type=int)
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="of " + ", ".join(BENCHES))
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in BENCHES:
            parser.error(f"no bench is called {name}; there are "
                         + ", ".join(BENCHES))
    return arguments


def print_machine():
    cores = os.cpu_count()
    load = os.getloadavg()[0]
    print(f"{cores} cores, load {load:.1f}")
    if load > 0.5 * cores:
        print("the machine is busy with something else: "
              "trust none of the numbers and little of the ratios")


def run(build, name, rounds):
    title, command_of = BENCHES[name]
    command = [str(part) for part in command_of(build, rounds)]
    print(f"\n{name}: {title}", flush=True)
    try:
        return subprocess.run(command).returncode == 0
    except FileNotFoundError:
        print(f"{command[0]} is not built")
        return False


def main():
    arguments = parse()
    print_machine()
    results = [run(arguments.build, name, arguments.rounds)
               for name in arguments.names or BENCHES]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
