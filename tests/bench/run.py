#!/usr/bin/env python3
"""Runs the benches of a build and prints a table of what they found.

    tests/bench/run.py --build build/release [--rounds 9] [NAME…]

Each bench is a program, NAME_bench, that runs its rounds against its own
baseline in the same minutes: read the ratios, not the numbers. Beside them
stands what they must be, and what would be superb. A number never fails the
run: machines differ, and one that does something else meanwhile makes liars of
all of them, which is said.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent

AT_LEAST = "≥"
AT_MOST = "≤"


def program(name, *more):
    """A bench of C, which takes the rounds."""
    return lambda build, rounds: [
        build / "tests" / f"{name}_bench", "--json", "--rounds", rounds, *more]


def nodes(name):
    """A bench of Python, which runs whole nodes."""
    return lambda build, rounds: [
        sys.executable, "-B", HERE / f"{name}_bench.py", "--json",
        "--weft", build / "weft", "--rounds", rounds]


# What each bench is, and how it is run in a build for so many rounds.
BENCHES = {
    "frames": ("one process to another, beside raw sockets",
               program("frames", "--ms", 200)),
    "data": ("records in DATA frames, one process to another, beside raw sockets",
             program("data")),
    "pingpong": ("there and back, beside blocking sockets", program("pingpong")),
    "alltoall": ("everybody to everybody, beside plain epoll", program("alltoall")),
    "records": ("through streams, without sockets", program("records")),
    "gossip": ("what it costs a node, also at a stranger's worst", program("gossip")),
    "node": ("whole nodes: lines, first contact, rest", nodes("node")),
    "checkpoint": ("call to commit, beside plain TCP there and back; and its price",
                   nodes("checkpoint")),
}

# By a row's name: of its ratio where there is a baseline, else of its value.
TARGETS = {
    "frames of 64 B": (AT_LEAST, 0.6, 0.85),
    "frames of 256 B": (AT_LEAST, 0.6, 0.9),
    "frames of 1 KiB": (AT_LEAST, 0.6, 0.9),
    "frames of 24 KiB": (AT_LEAST, 0.85, 1.15),
    "frames of 64 KiB": (AT_LEAST, 0.9, 1.6),
    "frames of 1024 KiB": (AT_LEAST, 0.85, 1.2),
    "system calls at frames of 64 B": (AT_MOST, 0.05, 0.01),
    "system calls at frames of 24 KiB": (AT_MOST, 1.0, 0.7),
    "ping-pong of 64 B, p50": (AT_MOST, 1.25, 1.1),
    "ping-pong of 64 B, p99": (AT_MOST, 1.5, 1.2),
    "all-to-all of 3, 1 KiB": (AT_LEAST, 0.9, 1.2),
    "all-to-all of 8, 1 KiB": (AT_LEAST, 0.9, 1.2),
    "records of 24 B, confirmed": (AT_LEAST, 20, 40),
    "gossip exchange at 1000 members": (AT_MOST, 0.5, 0.2),
    "gossip exchange at 10000 members": (AT_MOST, 8, 3),
    "lines of 100 B, send to recv": (AT_LEAST, 1, 3),
    "checkpoint, 3 idle nodes, p99": (AT_MOST, 5000, 1000),
    "lines of 3 nodes, a checkpoint each second": (AT_LEAST, 0.98, 0.995),
}

# Rows with a baseline whose target is of the value all the same.
OF_VALUE = {"lines of 100 B, send to recv", "checkpoint, 3 idle nodes, p99"}


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


def number(value):
    """Three digits that matter."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")


def judged(row):
    if row.get("ratio") is None or row["name"] in OF_VALUE:
        return row["value"]
    return row["ratio"]


def margin(row):
    """How far the row is from its must: below 1, it is missed."""
    sign, must, _ = TARGETS[row["name"]]
    value = max(judged(row), 1e-9)
    return value / must if sign == AT_LEAST else must / value


def verdict(row):
    sign, _, superb = TARGETS[row["name"]]
    value = judged(row)
    if value >= superb if sign == AT_LEAST else value <= superb:
        return "superb"
    return "holds" if margin(row) >= 1 else "MISSED"


def print_row(row):
    line = f"  {row['name']:<42}{number(row['value']):>9} {row['unit']:<8}"
    if row.get("ratio") is not None:
        beside = f"{row['beside']} {number(row['baseline'])}"
        line += f"{row['ratio']:>7.2f} of {beside:<16}"
    else:
        line += " " * 27
    if row["name"] in TARGETS:
        sign, must, superb = TARGETS[row["name"]]
        line += f"{sign} {must:<6g}{sign} {superb:<6g}{verdict(row)}"
    print(line.rstrip(), flush=True)


def run(build, name, rounds):
    """The rows of a bench, printed as they come; None if it failed."""
    title, command_of = BENCHES[name]
    command = [str(part) for part in command_of(build, rounds)]
    rows = []
    print(f"\n{name}: {title}", flush=True)
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                rows.append(json.loads(line))
                print_row(rows[-1])
    except FileNotFoundError:
        print(f"  {command[0]} is not built")
        return None
    return rows if process.returncode == 0 else None


def print_limits(rows):
    """One line: what is missed or nearest to it, and who has the time."""
    held = [row for row in rows if row["name"] in TARGETS]
    kernel = [row for row in rows if row.get("kernel")]
    parts = []
    if held:
        missed = [row["name"] for row in held if margin(row) < 1]
        nearest = min(held, key=margin)
        sign, must, _ = TARGETS[nearest["name"]]
        parts.append("missed: " + "; ".join(missed) if missed else
                     f"all {len(held)} hold, nearest to its bound {nearest['name']}"
                     f" ({judged(nearest):.2f}, {sign} {must:g})")
    if kernel:
        parts.append("the system's share of our time is " + ", ".join(
            f"{100 * row['kernel']:.0f} % at {row['name']}"
            for row in (kernel[0], kernel[-1])))
    if parts:
        print("\nwhat limits: " + "; ".join(parts))


def main():
    arguments = parse()
    start = time.monotonic()
    print_machine()
    print(f"\n  {'':<42}{'weft':>9} {'':<8}{'ratio':>7}    {'':<16}"
          f"{'must':<8}{'superb':<8}")
    results = [run(arguments.build, name, arguments.rounds)
               for name in arguments.names or BENCHES]
    print_limits([row for rows in results for row in rows or []])
    print(f"{time.monotonic() - start:.0f} s")
    return 0 if all(rows is not None for rows in results) else 1


if __name__ == "__main__":
    sys.exit(main())
