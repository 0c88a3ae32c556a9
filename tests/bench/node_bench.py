#!/usr/bin/env python3
"""Whole nodes, as people meet them: lines through both local sockets, the first
contact with a peer, and what a node costs that has nothing to do.

    tests/bench/node_bench.py --weft build/release/weft [--rounds 9] [--json]

Each figure stands beside a baseline of the same rounds: lines beside `cat` into
the same reader, a first contact beside a second one.
"""

import os
import statistics
import subprocess
import time

import rows

LINES = 2_000_000
LINE_BYTES = 100
PEERS = 9
IDLE_S = 10


def seconds(work):
    start = time.monotonic()
    work()
    return time.monotonic() - start


def text_file(directory):
    """LINES lines of LINE_BYTES, a hundred thousand different ones."""
    path = os.path.join(directory, "lines")
    block = "".join(f"{i:0{LINE_BYTES - 1}d}\n" for i in range(100_000))
    with open(path, "w", encoding="ascii") as f:
        for _ in range(LINES // 100_000):
            f.write(block)
    return path


def bench_lines(cluster, rounds):
    """send -> node -> recv on one node, beside cat | cat."""
    node = cluster.node(1, **{"gossip.interval": "500ms"}).start()
    path = text_file(cluster.dir)

    def through_weft():
        recv = node.spawn("recv", "bench", stdout=subprocess.DEVNULL)
        with open(path, "rb") as f:
            node.run("send", "bench", "-q", stdin=f)
        recv.communicate()

    def through_cat():
        with open(path, "rb") as f:
            cat = subprocess.Popen(["cat"], stdin=f, stdout=subprocess.PIPE)
            subprocess.run(["cat"], stdin=cat.stdout, stdout=subprocess.DEVNULL, check=True)
            cat.wait()
            cat.stdout.close()

    weft, cat = [], []
    for _ in range(rounds):
        weft.append(seconds(through_weft))
        cat.append(seconds(through_cat))
    ratio = statistics.median(c / w for w, c in zip(weft, cat))
    rate = LINES / statistics.median(weft) / 1e6
    rows.tell(f"lines of {LINE_BYTES} B, send to recv", rate, "M/s",
              "cat", LINES / statistics.median(cat) / 1e6, ratio)


def bench_contact(cluster):
    """One record to a peer that gossip knows, first and again."""
    a = cluster.node(1).start()
    peers = [cluster.node(i).start() for i in range(2, 2 + PEERS)]
    a.run("members", "--wait", str(1 + PEERS))
    first, again = [], []
    for peer in peers:
        stage = f"s{peer.number}"
        for times in (first, again):
            recv = peer.spawn("recv", stage)
            wait_for_sink(a, peer, stage)
            times.append(seconds(lambda s=stage: a.run("send", s, "-q", input=b"x\n")))
            recv.communicate()
            wait_for_no_sink(a, peer)
    ratio = statistics.median(f / g for f, g in zip(first, again))
    rows.tell("one record, at first contact", 1e3 * statistics.median(first), "ms",
              "a second", 1e3 * statistics.median(again), ratio)


def sinks_of(node, peer):
    return node.get("weft:sinks", peer.number)


def wait_for_sink(node, peer, stage):
    while stage not in (sinks_of(node, peer) or ""):
        time.sleep(0.02)


def wait_for_no_sink(node, peer):
    while sinks_of(node, peer) is not None:
        time.sleep(0.02)


def bench_idle(cluster):
    """Memory and processor time of a node in a quiet cluster of three."""
    nodes = [cluster.node(i, **{"gossip.interval": "500ms"}).start() for i in (1, 2, 3)]
    nodes[0].run("members", "--wait", "3")
    before = [cpu_ms(n) for n in nodes]
    time.sleep(IDLE_S)
    spent = [cpu_ms(n) - b for n, b in zip(nodes, before)]
    rss = [rss_mib(n) for n in nodes]
    rows.tell("an idle node of three, memory", statistics.median(rss), "MiB")
    rows.tell("an idle node of three, of a core", statistics.median(spent) / IDLE_S / 10, "%")


def cpu_ms(node):
    with open(f"/proc/{node.process.pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0]) / 1e6


def rss_mib(node):
    with open(f"/proc/{node.process.pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    raise AssertionError("a process without memory")


def main():
    arguments = rows.begin(__doc__.splitlines()[0])
    import cluster as e2e  # reads WEFT

    e2e.VERBOSE = False
    for bench in (lambda c: bench_lines(c, arguments.rounds), bench_contact, bench_idle):
        cluster = e2e.Cluster()
        try:
            bench(cluster)
        finally:
            cluster.close()


if __name__ == "__main__":
    main()
