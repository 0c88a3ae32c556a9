#!/usr/bin/env python3
"""What a checkpoint takes, and what it costs the records: real nodes on
loopback, asked by one program that stays connected to their local socket.

    tests/bench/checkpoint_bench.py --weft build/release/weft [--rounds 9] [--json]

A checkpoint is timed from the call to its answer: the request, Prepare, the cut
of every node, their acks, the decision. Beside it stands one way there and
back, 64 bytes between two processes over plain TCP, in the same rounds. A
stream with a checkpoint each second is counted beside itself without, in turns.
"""

import contextlib
import json
import os
import socket
import statistics
import struct
import subprocess
import time

import rows

CALL, RESULT = 0x40, 0x41
CALLS = 200  # of a round
LOADED_CALLS = 50
TRIP_BYTES = 64
STREAM_S = 1  # with one checkpoint, or none
PAIRS = 3  # of those, a round
LINES = 100_000
LINE_BYTES = 100
SMALL_WINDOW = "256KiB"  # under load: the least there is, so that all of them are full
STAGE = "bench"


class Caller:
    """A program that stays connected to its node, and asks again and again."""

    def __init__(self, node):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(node.socket)
        self.stream = self.socket.makefile("rb")

    def call(self, command):
        """The answer, whole: exit code, and what the JSON says."""
        text = json.dumps({"cmd": command}).encode()
        self.socket.sendall(struct.pack(">IBI", 5 + len(text), CALL, 0) + text)
        answer, last = b"", 0
        while not last:
            length, tag, _, code, last = struct.unpack(">IBIBB", self.stream.read(11))
            assert tag == RESULT, tag
            answer += self.stream.read(length - 7)
        return code, json.loads(answer)

    def checkpoint(self):
        code, answer = self.call("barrier")
        assert code == 0, answer

    def records(self):
        """What this node has taken from its sources so far."""
        _, info = self.call("info")
        return sum(stage["records_in"] for stage in info["stages"])

    def close(self):
        self.stream.close()
        self.socket.close()


@contextlib.contextmanager
def round_trip():
    """A function that goes to another process and back."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = os.fork()
        if child == 0:
            answer_all(server)
        with socket.create_connection(server.getsockname()) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield lambda: (s.sendall(bytes(TRIP_BYTES)), s.recv(TRIP_BYTES))
        os.waitpid(child, 0)


def answer_all(server):
    s, _ = server.accept()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := s.recv(TRIP_BYTES):
        s.sendall(data)
    os._exit(0)


# --- what it takes ---


def quantiles_us(work, count):
    """p50 and p99 of so many."""
    took = []
    for _ in range(count):
        start = time.perf_counter_ns()
        work()
        took.append((time.perf_counter_ns() - start) / 1e3)
    took.sort()
    return took[count // 2], took[count * 99 // 100]


def time_checkpoints(name, caller, trip, rounds, count):
    """Two rows: p50 and p99, medians of the rounds."""
    ours, raw = [], []
    quantiles_us(caller.checkpoint, count)  # connected, and warm
    for _ in range(rounds):
        ours.append(quantiles_us(caller.checkpoint, count))
        raw.append(quantiles_us(trip, 4 * count))
    for i, quantile in enumerate(("p50", "p99")):
        value = [round[i] for round in ours]
        baseline = [round[i] for round in raw]
        rows.tell(f"{name}, {quantile}", statistics.median(value), "us", "round trip",
                  statistics.median(baseline),
                  statistics.median(v / b for v, b in zip(value, baseline)))


def bench_idle(cluster, rounds, trip, count):
    nodes = cluster.start(count, **{"gossip.interval": "500ms"})
    with contextlib.closing(Caller(nodes[0])) as caller:
        time_checkpoints(f"checkpoint, {count} idle nodes", caller, trip, rounds, CALLS)
    if count == 3:
        with contextlib.closing(Caller(nodes[1])) as caller:
            time_checkpoints("checkpoint, asked at a follower", caller, trip, rounds, CALLS)


# --- under load ---


def text_file(directory):
    """LINES lines of LINE_BYTES, all different."""
    path = os.path.join(directory, "lines")
    with open(path, "w", encoding="ascii") as f:
        f.writelines(f"{i:0{LINE_BYTES - 1}d}\n" for i in range(LINES))
    return path


@contextlib.contextmanager
def load(cluster, nodes):
    """A source and a sink at every node, as fast as all of them go."""
    path = text_file(cluster.dir)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = [node.spawn("recv", STAGE, "--follow", "-q", **quiet) for node in nodes]
    for node in nodes:
        text = subprocess.Popen(["sh", "-c", f"while cat {path}; do :; done"],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        send = node.spawn("send", STAGE, "-q", "--sinks", str(len(nodes)),
                          stdin=text.stdout, **quiet)
        text.stdout.close()  # it is theirs
        running += [text, send]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def await_flow(callers):
    while not all(caller.records() > LINES for caller in callers):
        time.sleep(0.02)


def bench_loaded(cluster, rounds, trip):
    nodes = cluster.start(3, **{"gossip.interval": "500ms", "shuffle.window": SMALL_WINDOW})
    callers = [Caller(node) for node in nodes]
    with load(cluster, nodes):
        await_flow(callers)
        time_checkpoints("checkpoint, 3 nodes under load", callers[0], trip, rounds,
                         LOADED_CALLS)


def rate(callers, begin):
    """Records a second that all of them take, for STREAM_S seconds."""
    before, start = sum(c.records() for c in callers), time.monotonic()
    begin()
    time.sleep(max(0, start + STREAM_S - time.monotonic()))
    return (sum(c.records() for c in callers) - before) / (time.monotonic() - start)


def bench_cost(cluster, rounds):
    nodes = cluster.start(3, **{"gossip.interval": "500ms"})
    callers = [Caller(node) for node in nodes]
    kinds = {"with": callers[0].checkpoint, "without": lambda: None}
    found = {kind: [] for kind in kinds}
    with load(cluster, nodes):
        await_flow(callers)
        rate(callers, kinds["with"])  # warm
        for turn in range(rounds * PAIRS):
            for kind in sorted(kinds, reverse=turn % 2):
                found[kind].append(rate(callers, kinds[kind]))
    rows.tell("lines of 3 nodes, a checkpoint each second",
              statistics.median(found["with"]) / 1e6, "M/s", "none",
              statistics.median(found["without"]) / 1e6,
              statistics.median(w / o for w, o in zip(found["with"], found["without"])))


def main():
    arguments = rows.begin(__doc__.splitlines()[0])
    import cluster as e2e  # reads WEFT

    e2e.VERBOSE = False
    rounds = arguments.rounds
    with round_trip() as trip:
        for bench in (lambda c: bench_idle(c, rounds, trip, 3),
                      lambda c: bench_idle(c, rounds, trip, 5),
                      lambda c: bench_idle(c, rounds, trip, 10),
                      lambda c: bench_loaded(c, rounds, trip),
                      lambda c: bench_cost(c, rounds)):
            with contextlib.closing(e2e.Cluster()) as cluster:
                bench(cluster)


if __name__ == "__main__":
    main()
