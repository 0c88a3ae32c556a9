"""Nodes that sleep: stopped and continued, as a paused container or a moved
virtual machine is.

Who slept so briefly that nobody took it for dead goes on, and nothing is lost.
Who was taken for dead finds out before it acts on anything else: its streams
fail with exact counts on both ends, and it joins anew as a higher generation.
"""

import contextlib
import json
import re
import signal
import threading
import time
import unittest

from cluster import INTERVAL_MS, ClusterTest, agree, wait_until
from programs import DONE, FAST, NO, Stories, joined, number

BACK = "back"  # the stage that flows from the sleeper
BURIED = re.compile(r"node 2 was taken for dead: of ([\d,]+) records of \S+, ([\d,]+) were confirmed")


class Flowing:
    """A source that is written to, 50,000 lines a second, and its sinks."""

    def __init__(self, story, node, on, stage):
        self.node, self.story = node, story
        self.sinks = {n.number: story.recv(n, stage=stage) for n in on}
        story.sinks_on(node, on, stage=stage)
        self.source = story.source(node, "--sinks", str(len(on)), "-o", "json", stage=stage)
        self.enough = threading.Event()
        story.addCleanup(self.enough.set)
        self.feeder = threading.Thread(target=self.feed, daemon=True)
        self.feeder.start()
        self.goes_on()

    def feed(self):
        with contextlib.suppress(BrokenPipeError, ValueError):
            first = 1
            while not self.enough.is_set():
                self.source.write(b"%040d" % n for n in range(first, first + 500))
                first += 500
                time.sleep(0.01)
            self.source.stdin.close()

    def goes_on(self):
        before = {n: len(s.out()) for n, s in self.sinks.items()}
        wait_until(
            f"records of node {self.node.number} flow",
            lambda: all(len(s.out()) > before[n] + 200000 for n, s in self.sinks.items()),
        )

    def check_done(self):
        """Ends the input: every line came once, and everybody says so."""
        self.enough.set()
        for program in (self.source, *self.sinks.values()):
            self.story.assertEqual(program.wait(), DONE, program.said())
        came = sorted(int(line) for s in self.sinks.values() for line in s.lines())
        records = json.loads(self.source.out())["records"]
        self.story.assertEqual(came, list(range(1, records + 1)))

    def said_of(self, sink):
        """How many records a sink that failed says that it had."""
        buried = BURIED.search(sink.said())
        if buried:
            return number(buried[1])
        (node, records), = self.story.lost(sink.said())
        self.story.assertEqual(node, self.node.number)
        return records

    def check_failed(self):
        """Both ends failed, and what they say of the numbers is true."""
        test = self.story
        test.assertEqual(self.source.wait(), NO, self.source.said())
        report = json.loads(self.source.out())
        rows = {int(row["node"]): row for row in report["sinks"]}
        test.assertEqual(sum(r["confirmed"] for r in rows.values()), report["confirmed"])
        for on, sink in self.sinks.items():
            test.assertEqual(sink.wait(), NO, sink.said())
            kept = [int(line) for line in sink.lines()]
            test.assertTrue(all(a < b for a, b in zip(kept, kept[1:])), "order")
            test.assertEqual(self.said_of(sink), len(kept), sink.said())
            test.assertLessEqual(rows[on]["confirmed"], len(kept))
            test.assertLessEqual(len(kept), rows[on]["records"])
        print(
            f"    source of node {self.node.number}: {report['confirmed']} of "
            f"{report['records']} confirmed", flush=True,
        )
        return rows


class Asleep(ClusterTest, Stories):
    def flowing(self, **settings):
        """Three nodes; records flow to node 2 and from it."""
        nodes = self.cluster.start(3, **{**FAST, **settings})
        a, b, c = nodes
        there = Flowing(self, a, [b, c], self.stage())
        back = Flowing(self, b, [a, c], BACK)
        return nodes, there, back

    def generation(self, node, of):
        return int(node.members()[str(of)]["generation"])

    def sleep(self, nodes, seconds):
        for node in nodes:
            node.signal(signal.SIGSTOP)
        time.sleep(seconds)

    def wake(self, nodes):
        for node in nodes:
            node.signal(signal.SIGCONT)

    def check_healthy(self, nodes):
        for node in nodes:
            wait_until(
                f"node {node.number} is healthy",
                lambda n=node: n.run("health").returncode == DONE,
            )

    def check_carries(self, a, b):
        """Records cross from the one node to the other, and back."""
        for i, (source, on) in enumerate(((a, b), (b, a))):
            stage = f"again-{i}"
            sink = self.recv(on, stage=stage)
            self.sinks_on(source, [on], stage=stage)
            result = self.send(source, joined([b"still", b"here"]), stage=stage)
            self.assertEqual(result.returncode, DONE, result.stderr)
            self.assertEqual(sink.wait(), DONE, sink.said())
            self.assertEqual(sink.lines(), [b"still", b"here"])

    def test_who_was_taken_for_dead_fails_its_streams_and_joins_anew(self):
        (a, b, c), there, back = self.flowing()
        b.run("kv", "set", "colour", "madder")
        wait_until("a has its key", lambda: a.get("colour", 2) == "madder")
        before = self.generation(a, 2)
        b.signal(signal.SIGSTOP)
        wait_until("it is missed", lambda: a.live() == c.live() == [1, 3])
        time.sleep(1)
        b.signal(signal.SIGCONT)
        start = time.monotonic()
        rows = there.check_failed()
        self.assertIn("node 2", there.source.said())
        missing, sent = self.counts(there.source.said())
        self.assertEqual((sent, sent - missing), (rows[2]["records"], rows[2]["confirmed"]))
        back.check_failed()
        print(f"    all ends know: {time.monotonic() - start:.2f} s", flush=True)
        agree([a, b, c], [1, 2, 3])
        self.assertIsNone(b.process.poll(), "it is the same process")
        for node in (a, b, c):
            self.assertGreater(self.generation(node, 2), before)
        self.assertEqual(len(a.json("members")), 3)
        self.assertIn("joins anew", b.log())
        self.check_healthy([a, b, c])
        wait_until("its keys went along", lambda: a.get("colour", 2) == "madder")
        self.check_carries(a, b)

    def test_its_generation_outlives_its_end(self):
        """With a data_dir the generation it joined under is on disk."""
        a, c = self.cluster.start(2, **FAST)
        b = self.cluster.node(3, **FAST)
        b.settings["node.data_dir"] = f"{b.dir}/data"
        b.start()
        agree([a, b, c], [1, 2, 3])
        before = self.generation(a, 3)
        self.sleep([b], 0)
        wait_until("it is missed", lambda: a.live() == c.live() == [1, 2])
        self.wake([b])
        wait_until("it joins anew", lambda: self.generation(a, 3) > before)
        agree([a, b, c], [1, 2, 3])
        self.assertEqual(self.generation(b, 3), self.generation(a, 3))
        with open(f"{b.dir}/data/identity", encoding="ascii") as f:
            self.assertEqual(f.read(), f"3 {self.generation(a, 3)}\n")
        self.assertEqual(b.stop(), DONE)

    def test_it_sleeps_again_and_again(self):
        a, b, c = self.cluster.start(3, **FAST)
        latest = self.generation(a, 2)
        for _ in range(4):
            self.sleep([b], 0)
            wait_until("it is missed", lambda: a.live() == c.live() == [1, 3])
            self.wake([b])
            wait_until("it joins anew", lambda: self.generation(a, 2) > latest)
            latest = self.generation(a, 2)
            agree([a, b, c], [1, 2, 3])
            self.check_healthy([b])
        self.check_carries(a, b)

    def test_a_short_sleep_costs_nothing(self):
        """Two intervals of eight; the others wait for it."""
        (a, b, c), there, back = self.flowing(**{"gossip.interval": "500ms"})
        before = self.generation(a, 2)
        self.sleep([b], 1)
        self.assertEqual(a.live(), [1, 2, 3])
        self.wake([b])
        there.goes_on()
        back.goes_on()
        there.check_done()
        back.check_done()
        self.assertEqual(self.generation(a, 2), before)
        self.check_healthy([a, b, c])

    def test_who_might_have_been_taken_for_dead_asks_and_goes_on(self):
        """Long enough to have to ask, and to be told that nobody did."""
        (a, b, c), there, back = self.flowing(**{"gossip.interval": "1s"})
        before = self.generation(a, 2)
        self.sleep([b], 6.3)
        self.assertEqual(a.live(), [1, 2, 3])
        self.wake([b])
        there.goes_on()
        back.goes_on()
        there.check_done()
        back.check_done()
        self.assertEqual(self.generation(c, 2), before)
        self.check_healthy([a, b, c])

    def test_when_all_slept_nobody_was_missed(self):
        (a, b, c), there, back = self.flowing()
        before = [self.generation(a, n) for n in (1, 2, 3)]
        self.sleep([a, b, c], 30 * INTERVAL_MS / 1000)
        self.wake([a, b, c])
        there.goes_on()
        back.goes_on()
        there.check_done()
        back.check_done()
        agree([a, b, c], [1, 2, 3])
        self.assertEqual([self.generation(c, n) for n in (1, 2, 3)], before)
        self.check_healthy([a, b, c])

    def test_two_who_slept_do_not_confirm_each_other(self):
        """Neither has missed the other; the third has missed both."""
        a, b, c = self.cluster.start(3, **FAST)
        before = [self.generation(a, n) for n in (2, 3)]
        self.sleep([b, c], 0)
        wait_until("they are missed", lambda: a.live() == [1])
        time.sleep(1)
        self.wake([b, c])
        agree([a, b, c], [1, 2, 3])
        wait_until(
            "both join anew",
            lambda: all(self.generation(a, n) > g for n, g in zip((2, 3), before)),
        )
        agree([a, b, c], [1, 2, 3])
        self.check_healthy([a, b, c])
        self.check_carries(b, c)


if __name__ == "__main__":
    unittest.main(verbosity=0)
