"""Programs at nodes, for end-to-end tests: `weft send` and `weft recv` as people
run them, what they say of losses, and what stories about them have in common."""

import json
import os
import re
import subprocess
import unittest

from cluster import Cluster, wait_until

DONE, NO, TIMED_OUT = 0, 1, 5
FAST = {"shuffle.connect_timeout": "1s", "shuffle.reconnect_max": "1s"}
NOT_CONFIRMED = re.compile(r"([\d,]+) of ([\d,]+) records of \S+ not confirmed|"
                           r"([\d,]+) of ([\d,]+) records not confirmed")
LOST = re.compile(r"source (\d+) of node (\d+) was lost after ([\d,]+) records?")


def number(text):
    return int(text.replace(",", ""))


def lines_of(data):
    return data.split(b"\n")[:-1]


def words(count, keys=997):
    """Lines with many repeated keys."""
    return [b"word-%d" % (i * 7919 % keys) for i in range(count)]


def joined(lines):
    return b"".join(line + b"\n" for line in lines)


class Program:
    """A `weft recv` or `weft send` that goes on, its output kept in files."""

    def __init__(self, test, node, *args, stdin=subprocess.DEVNULL, stdout=None):
        name = os.path.join(test.cluster.dir, f"p{test.programs()}")
        self.out_path, self.err_path = name + ".out", name + ".err"
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = node.spawn(*args, stdin=stdin, stdout=stdout or out, stderr=err)
        self.stdin = self.process.stdin
        test.addCleanup(self.end)

    def write(self, lines):
        self.stdin.write(joined(lines))
        self.stdin.flush()

    def out(self):
        with open(self.out_path, "rb") as f:
            return f.read()

    def lines(self):
        return lines_of(self.out())

    def said(self):
        with open(self.err_path, encoding="utf-8") as f:
            return f.read()

    def wait(self, timeout=60):
        return self.process.wait(timeout)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        if self.stdin is not None:
            try:
                self.stdin.close()
            except BrokenPipeError:
                pass
        for word in ("Sanitizer", "runtime error", "Assertion"):
            if word in self.said():
                raise AssertionError(self.said())


class Stories:
    """What tests with a cluster of their own and a shared one have in common."""

    def programs(self):
        self.count = getattr(self, "count", 0) + 1
        return f"{self.id().split('.')[-1]}-{self.count}"

    def stage(self):
        return self.id().split(".")[-1].replace("test_", "")[:48]

    def recv(self, node, *args, stage=None, **kwargs):
        return Program(self, node, "recv", stage or self.stage(), *args, **kwargs)

    def source(self, node, *args, stage=None, **kwargs):
        """A `weft send` that the test writes to."""
        kwargs.setdefault("stdin", subprocess.PIPE)
        return Program(self, node, "send", stage or self.stage(), *args, **kwargs)

    def send(self, node, data, *args, stage=None, timeout=120):
        return node.run("send", stage or self.stage(), *args, input=data, timeout=timeout)

    def sinks_on(self, node, on, stage=None):
        """`node` knows a sink of the stage on each of the nodes `on`."""
        stage = stage or self.stage()

        def known():
            found = [n.number for n in on
                     if stage in json.loads(node.get("weft:sinks", n.number) or "{}")]
            return len(found) == len(on)

        wait_until(f"sinks known on {[n.number for n in on]}", known)

    def confirmed(self, node):
        wait_until(
            "all that was sent is confirmed",
            lambda: sum(p["unconfirmed_records"] for p in node.info()["shuffle"]["peers"]) == 0,
        )

    def counts(self, text):
        """(not confirmed, sent) of a source's last sentence."""
        found = NOT_CONFIRMED.search(text)
        self.assertIsNotNone(found, text)
        return tuple(number(g) for g in found.groups() if g is not None)

    def lost(self, text):
        """(node, records) of each source that a sink says was lost."""
        return [(int(f[1]), number(f[2])) for f in LOST.findall(text)]


class Shared(unittest.TestCase, Stories):
    """Stories that hurt no node: one cluster of three for all of them."""

    settings = FAST

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.nodes = cls.cluster.start(3, **cls.settings)

    def setUp(self):
        print(f"\n  {self.id().split('.')[-1]}", flush=True)
