"""Numbered lines on their way, and what checkpoints say of them.

A `Flow` is a source whose lines name themselves: key, source, number. From the
lines of a sink and the marks among them, it can be told for every line on which
side of every cut it is, and who owned its key then.
"""

import collections
import contextlib
import json
import re
import subprocess
import threading
import time

from programs import DONE, Program, lines_of

KEYS = 199
MARK = re.compile(
    r"^weft: epoch (?P<epoch>\d+) (?P<outcome>committed|aborted|unknown)"
    r"(?:, (?P<records>[\d,]+) records? before it)?", re.M
)


class Mark:
    """What a sink says of a checkpoint: how it ended, and the records before it,
    or None if it ended before its mark came."""

    def __init__(self, found):
        records = found["records"]
        self.epoch = int(found["epoch"])
        self.outcome = found["outcome"]
        self.records = None if records is None else int(records.replace(",", ""))


def marks(said):
    """The marks among what `recv --marks` says, as they ended."""
    return [Mark(found) for found in MARK.finditer(said)]


def committed(said):
    """Those that are the end of an epoch, by epoch."""
    cuts = {m.epoch: m for m in marks(said) if m.outcome == "committed" and m.records is not None}
    return [cuts[epoch] for epoch in sorted(cuts)]


class Flow(Program):
    """A `weft send` that a thread feeds until it is told that it is enough."""

    def __init__(self, story, node, stage, *args, rate=10000):
        self.name = story.programs()
        super().__init__(
            story, node, "send", stage, "--key-field", "1", "-o", "json", *args,
            stdin=subprocess.PIPE,
        )
        self.prefix = self.name.rsplit("-", 1)[1].encode()
        self.rate = rate
        self.written = 0
        self.enough = threading.Event()
        self.flows = threading.Event()  # cleared: nothing is written
        self.flows.set()
        self.feeder = threading.Thread(target=self.feed, daemon=True)
        self.feeder.start()

    def line(self, number):
        return b"k%d\t%s\t%d" % (number * 7919 % KEYS, self.prefix, number)

    def feed(self):
        step = max(1, self.rate // 100)
        with contextlib.suppress(BrokenPipeError, ValueError):
            while self.flows.wait() and not self.enough.is_set():
                self.write(self.line(n) for n in range(self.written, self.written + step))
                self.written += step
                time.sleep(0.01)
            self.stdin.close()

    def pause(self):
        """Nothing is written until it goes on; what is, has been handed over."""
        self.flows.clear()
        time.sleep(0.1)

    def go_on(self):
        self.flows.set()

    def finish(self, timeout=60):
        """The end of the input; the exit code."""
        self.enough.set()
        code = self.wait(timeout)
        self.feeder.join(10)
        return code

    def end(self):
        self.enough.set()
        self.flows.set()
        super().end()

    def report(self):
        return json.loads(self.out())

    def numbers(self, lines):
        """Which of its lines are among these, in their order."""
        mine = b"\t" + self.prefix + b"\t"
        return [int(line.rsplit(b"\t", 1)[1]) for line in lines if mine in line]


def whole(sink):
    """The lines of a sink, without what it was writing when it was killed."""
    return lines_of(sink.out())


def epochs_of(sink):
    """Its lines, each with the cuts that it lies between: the epochs that have
    committed before and behind it, as far as this sink has heard of them."""
    lines = whole(sink)
    begin, before = 0, None
    for mark in committed(sink.said()):
        yield from ((line, before, mark.epoch) for line in lines[begin:mark.records])
        begin, before = mark.records, mark.epoch
    yield from ((line, before, None) for line in lines[begin:])


def check_whole(test, flows, sinks):
    """Each line of each source once, in one of the sinks, in order."""
    outputs = [whole(sink) for sink in sinks]
    for flow in flows:
        came = [flow.numbers(lines) for lines in outputs]
        for kept in came:
            test.assertTrue(all(a < b for a, b in zip(kept, kept[1:])), "order")
        together = sorted(n for kept in came for n in kept)
        records = flow.report()["records"]
        test.assertEqual(len(together), records, f"lines of source {flow.name}")
        test.assertEqual(together, list(range(records)))


def cut_at(sink, epoch):
    """Its lines before that cut and behind it; None if it has not heard of it."""
    for mark in committed(sink.said()):
        if mark.epoch == epoch:
            lines = whole(sink)
            return lines[:mark.records], lines[mark.records:]
    return None


def check_cut(test, flows, sinks, epoch, before):
    """Before the cut of `epoch` the sinks have `before[i]` lines of source `i`,
    its first ones, and nothing else."""
    cut = [line for sink in sinks for line in cut_at(sink, epoch)[0]]
    test.assertEqual(len(cut), sum(before), f"records before epoch {epoch}")
    for flow, count in zip(flows, before):
        test.assertEqual(sorted(flow.numbers(cut)), list(range(count)))


def check_cuts(test, flows, sinks):
    """At every cut that committed, whatever is before it was sent before whatever
    is behind it. (A node that was left out has not heard of some.)"""
    epochs = sorted({m.epoch for sink in sinks for m in committed(sink.said())})
    for epoch in epochs:
        parts = [part for part in (cut_at(sink, epoch) for sink in sinks) if part]
        before, behind = ([line for part in parts for line in part[i]] for i in (0, 1))
        for flow in flows:
            test.assertLess(max(flow.numbers(before), default=-1),
                            min(flow.numbers(behind), default=flow.written),
                            f"source {flow.name}, epoch {epoch}")
    return epochs


def check_owners(test, sinks):
    """Between two cuts no key is on two nodes. (A node that was left out does not
    hear of the cut that takes its keys away, so its last lines are as if between
    others.)"""
    owners = collections.defaultdict(set)
    for i, sink in enumerate(sinks):
        for line, before, behind in epochs_of(sink):
            owners[line.split(b"\t", 1)[0], before, behind].add(i)
    doubles = {k: v for k, v in owners.items() if len(v) > 1}
    test.assertFalse(doubles, f"keys with two owners: {list(doubles.items())[:5]}")


def check_done(test, programs, timeout=60):
    for program in programs:
        test.assertEqual(program.wait(timeout), DONE, program.said())
