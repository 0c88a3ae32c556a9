"""Checkpoints of real nodes: a consistent cut, or a sentence that says who was
missing.

docs/wire.md, "Checkpoints" has the messages. Nodes are hurt in the middle of an
attempt; what keeps one in its middle is a sink that is stopped, for it does not
echo its mark.
"""

import collections
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
import unittest

from cluster import ClusterTest, agree, seeded, wait_until
from flow import (
    Flow, check_cut, check_cuts, check_done, check_owners, check_whole, committed, marks
)
from programs import FAST as QUICK
from programs import Shared as AnyShared
from programs import Stories
from proxy import Proxy, free_port

COMMITTED, ABORTED, UNKNOWN = 0, 1, 5
ALIGN_S = 3
FAST = {**QUICK, "checkpoint.align_timeout": f"{ALIGN_S}s", "shuffle.window": "512KiB"}
STORM_S = float(os.environ.pop("WEFT_STORM_SECONDS", "7"))  # of each of the two

# The next checkpoint commits within detection (12 intervals) and 2 s: tests wait
# ten times that.
FAILOVER_S = 10 * (12 * 0.1 + 2)


class Barriers(Stories):
    """What all stories here say and ask. A wait that gives up shows all nodes."""

    def wait(self, what, condition, timeout=30.0):
        try:
            return wait_until(what, condition, timeout)
        except (AssertionError, subprocess.TimeoutExpired) as given_up:
            raise AssertionError(f"{given_up}\n{self.everything()}") from None

    def ended(self, program, timeout=60):
        """The exit code."""
        try:
            return program.wait(timeout)
        except subprocess.TimeoutExpired as given_up:
            raise AssertionError(
                f"{given_up}\n{program.said()}\n{self.everything()}") from None

    def everything(self):
        """What each node that runs says of itself, and how the others ended."""
        return "\n".join(self.account_of(node) for node in self.cluster.nodes)

    @staticmethod
    def account_of(node):
        account = [f"node {node.number}, {node.dir}:"]
        if node.process is None or node.process.poll() is not None:
            return f"{account[0]} does not run"
        for args in (("info",), ("info", "--checkpoints")):
            with contextlib.suppress(subprocess.TimeoutExpired):
                account.append(node.run(*args, timeout=5).stdout.decode())
        return "\n".join([*account, *node.log().splitlines()[-15:]])

    def barrier(self, node, *args):
        """A checkpoint of which nobody doubts that it commits."""
        result = node.run("barrier", "-o", "json", *args)
        if result.returncode != COMMITTED:
            self.fail(f"{result}\n{self.everything()}")
        return json.loads(result.stdout)

    def aborted(self, node):
        result = node.run("barrier", "-o", "json")
        self.assertEqual(result.returncode, ABORTED, result)
        return json.loads(result.stdout)

    def asking(self, node, *args):
        """A `weft barrier` that goes on; `answer` ends it."""
        asking = node.spawn("barrier", "-o", "json", *args)
        self.addCleanup(asking.stderr.close)
        self.addCleanup(asking.stdout.close)
        self.addCleanup(asking.kill)
        return asking

    @staticmethod
    def answer(asking, timeout=30):
        out, _ = asking.communicate(timeout=timeout)
        return asking.returncode, json.loads(out) if out else None

    def latest(self, node):
        """The latest attempt that the node knows of, or None."""
        attempts = node.json("info", "--checkpoints")
        return attempts[0] if attempts else None

    def in_the_middle(self, nodes):
        """An attempt runs, and each of `nodes` has a part in it."""
        def runs():
            return all((self.latest(n) or {"outcome": ""})["outcome"] is None for n in nodes)
        self.wait("an attempt is in its middle", runs)

    def commits_again(self, node, what, timeout=FAILOVER_S):
        """Asks until one commits."""
        def asked():
            result = node.run("barrier", "-o", "json")
            return json.loads(result.stdout) if result.returncode == COMMITTED else None
        return self.wait(f"{what}: the next one commits", asked, timeout)

    def holder(self, node):
        """A sink that is stopped, of a stage of its own: no attempt ends before it
        goes on, or is killed."""
        sink = self.recv(node, "--marks", stage=f"hold-{self.stage()}"[:64])
        self.wait("it is attached", lambda: f"hold-{self.stage()}"[:64] in
                  (node.get("weft:sinks") or ""))
        sink.process.send_signal(signal.SIGSTOP)
        return sink

    def flow(self, node, *args, **kwargs):
        return Flow(self, node, self.stage(), *args, **kwargs)

    def flowing(self, flows, sinks):
        """Lines come to all the sinks."""
        for flow in flows:
            self.wait("lines flow", lambda f=flow: f.written > 0)
        self.wait("lines come", lambda: all(sink.out() for sink in sinks))


class Shared(AnyShared, Barriers):
    settings = FAST


class Asking(Shared):
    def test_any_node_may_ask(self):
        epochs = []
        for node in self.nodes:
            answer = self.barrier(node)
            self.assertLessEqual(
                {"checkpoint_id", "epoch", "outcome", "reason", "missing", "participants",
                 "leader", "duration_us"}, set(answer))
            self.assertEqual(answer["outcome"], "committed")
            self.assertIsNone(answer["reason"])
            self.assertEqual(answer["missing"], [])
            self.assertEqual(answer["participants"], ["1", "2", "3"])
            self.assertEqual(answer["leader"], "1")
            self.assertGreater(int(answer["checkpoint_id"]), 0)
            self.assertGreater(answer["duration_us"], 0)
            epochs.append(int(answer["epoch"]))
            print(f"    node {node.number}: {answer['duration_us']} µs", flush=True)
        self.assertEqual(epochs, list(range(epochs[0], epochs[0] + 3)))

    def test_the_answer_for_people(self):
        result = self.nodes[1].run("barrier")
        self.assertEqual(result.returncode, COMMITTED)
        self.assertRegex(
            result.stdout.decode(), r"^epoch \d+ committed by leader 1 on 3 nodes in [\d.]+ .?s\n$")
        self.assertEqual(result.stderr, b"")

    def test_every_node_keeps_account(self):
        answer = self.barrier(self.nodes[2])
        for node in self.nodes:
            self.wait("the outcome is known", lambda n=node: self.latest(n)["outcome"])
            entry = self.latest(node)
            for field in ("epoch", "checkpoint_id", "leader", "outcome", "participants"):
                self.assertEqual(entry[field], answer[field])
            steps = [entry[f"{step}_us"] for step in ("marked", "aligned", "written", "acked")]
            self.assertEqual(steps, sorted(steps))
            self.assertLessEqual(entry["acked_us"], entry["known_us"])
            self.assertEqual(entry["decided_us"] is not None, node.number == 1)
            info = node.info()
            self.assertEqual(info["leader"], "1")
            self.assertEqual(info["checkpoint"]["epoch"], answer["epoch"])
            self.assertEqual(info["checkpoint"]["checkpoint_id"], answer["checkpoint_id"])
            self.assertEqual(info["checkpoint"]["last_outcome"], "committed")
            self.assertFalse(info["checkpoint"]["running"])
            text = node.run("info", "--checkpoints").stdout.decode()
            self.assertIn(f"{answer['epoch']} ", text)
            self.assertIn("committed", text)

    def test_who_asks_while_one_runs_shares_the_next(self):
        sink = self.holder(self.nodes[2])
        first = self.asking(self.nodes[1])
        self.in_the_middle(self.nodes)
        others = [self.asking(n) for n in self.nodes for _ in range(3)]
        time.sleep(0.5)
        sink.process.send_signal(signal.SIGCONT)
        code, answer = self.answer(first)
        self.assertEqual(code, COMMITTED, answer)
        answers = [self.answer(asking) for asking in others]
        self.assertEqual({code for code, _ in answers}, {COMMITTED}, answers)
        self.assertEqual({int(a["epoch"]) for _, a in answers}, {int(answer["epoch"]) + 1})

    def test_who_does_not_wait_for_the_end(self):
        sink = self.holder(self.nodes[1])
        start = time.monotonic()
        result = self.nodes[2].run("barrier", "--timeout", "300ms")
        self.assertLess(time.monotonic() - start, ALIGN_S)
        self.assertEqual(result.returncode, UNKNOWN, result)
        self.assertIn("the checkpoint has not ended: 300ms has passed", result.stderr.decode())
        sink.process.send_signal(signal.SIGCONT)
        self.wait("it ends", lambda: self.latest(self.nodes[2])["outcome"] == "committed")

    def test_a_slow_sink_is_named(self):
        """It holds what it has not written, and the cut waits for it."""
        stage = self.stage()
        slow = self.recv(self.nodes[1], "--marks")
        self.sinks_on(self.nodes[2], self.nodes[1:2])
        slow.process.send_signal(signal.SIGSTOP)
        source = self.source(self.nodes[2], "-o", "json")
        lines = [b"%07d" % i + b"x" * 92 for i in range(5000)]
        source.write(lines)
        self.wait("lines wait for the sink", lambda: self.waiting(self.nodes[2]) > 0)
        start = time.monotonic()
        answer = self.aborted(self.nodes[0])
        took = time.monotonic() - start
        print(f"    {took:.2f} s: {answer['reason']}", flush=True)
        self.assertLess(took, ALIGN_S + 2)
        self.assertEqual(answer["outcome"], "aborted")
        self.assertEqual(answer["missing"], ["2"])
        self.assertRegex(answer["reason"], rf"node 2\b.*\b{stage}\b.* [\d.]+ [KM]?i?B")
        for node in self.nodes:
            self.wait("each knows why", lambda n=node: self.latest(n)["outcome"] == "aborted")
            self.assertEqual(self.latest(node)["reason"], answer["reason"])
        slow.process.send_signal(signal.SIGCONT)
        after = self.barrier(self.nodes[0])
        self.assertEqual(int(after["epoch"]), int(answer["epoch"]) + 1)
        source.stdin.close()
        check_done(self, (source, slow))
        self.assertEqual(slow.lines(), lines)
        self.assertEqual([(m.epoch, m.outcome, m.records) for m in marks(slow.said())],
                         [(int(after["epoch"]), "committed", len(lines))])
        self.assertEqual(json.loads(source.out())["committed_records"], len(lines))

    def waiting(self, node):
        return sum(s["waiting_bytes"] for s in node.info()["stages"]
                   if s["name"] == self.stage())

    def test_an_abort_for_people(self):
        sink = self.holder(self.nodes[2])
        result = self.nodes[1].run("barrier")
        self.assertEqual(result.returncode, ABORTED)
        self.assertRegex(result.stdout.decode(), r"^epoch \d+ aborted by leader 1 on 3 nodes "
                         r"in [\d.]+ .?s: node 3\b.*\bhold-")
        sink.process.send_signal(signal.SIGCONT)
        self.wait("the sink knows too", lambda: [
            (m.outcome, m.records) for m in marks(sink.said())] == [("aborted", 0)])
        self.barrier(self.nodes[1])


class Cuts(Shared):
    """What is before the cut, line by line."""

    def test_a_cut_is_exact(self):
        sinks = [self.recv(n, "--sources", "3", "--marks") for n in self.nodes]
        self.sinks_on(self.nodes[0], self.nodes)
        flows = [self.flow(n, "--sinks", "3") for n in self.nodes]
        self.flowing(flows, sinks)
        for i in range(5):
            time.sleep(0.2)
            answer = self.barrier(self.nodes[i % 3])
            print(f"    epoch {answer['epoch']}: {answer['duration_us']} µs", flush=True)
        time.sleep(0.2)
        for flow in flows:
            flow.enough.set()  # a sink answers all its sources at once
        check_done(self, [*flows, *sinks])
        check_whole(self, flows, sinks)
        check_owners(self, sinks)
        self.assertEqual(len(check_cuts(self, flows, sinks)), 5)
        before = [flow.report()["committed_records"] for flow in flows]
        print(f"    before the last: {before} of {[f.written for f in flows]}", flush=True)
        self.assertTrue(all(0 < n < f.written for n, f in zip(before, flows)))
        self.assertEqual({f.report()["committed_epoch"] for f in flows}, {answer["epoch"]})
        check_cut(self, flows, sinks, int(answer["epoch"]), before)

    def finish(self, flow):
        flow.enough.set()
        code = self.ended(flow)
        self.assertEqual(code, 0, flow.said())
        return code

    def test_a_cut_through_full_windows(self):
        """The sink reads slowly: the records before the cut wait, the barrier
        does not."""
        read, write = os.pipe()
        with open(write, "wb") as pipe:
            sink = self.recv(self.nodes[1], "--marks", stdout=pipe)
        reader = threading.Thread(target=self.read_slowly, args=(read, sink.out_path))
        reader.start()
        self.sinks_on(self.nodes[2], self.nodes[1:2])
        flow = self.flow(self.nodes[2], rate=200000)
        self.wait("lines wait for credit", lambda: flow.written > 150000)
        answer = self.barrier(self.nodes[2])
        print(f"    epoch {answer['epoch']}: {answer['duration_us']} µs", flush=True)
        before = self.committed_records(sink, int(answer["epoch"]))
        self.assertLess(before, flow.written)
        self.finish(flow)
        check_done(self, [sink])
        reader.join()
        check_whole(self, [flow], [sink])
        check_cut(self, [flow], [sink], int(answer["epoch"]), [before])
        self.assertEqual(flow.report()["committed_records"], before)

    @staticmethod
    def read_slowly(read, path):
        with open(read, "rb", buffering=0) as pipe, open(path, "wb", buffering=0) as out:
            while data := pipe.read(65536):
                out.write(data)
                time.sleep(0.03)

    def committed_records(self, sink, epoch):
        found = self.wait("the sink has told of it", lambda: [
            m for m in committed(sink.said()) if m.epoch == epoch])
        return found[0].records

    def place(self):
        return json.loads(self.nodes[0].get(f"weft:place:{self.stage()}", 3))

    def test_a_late_sink_joins_at_the_next_barrier(self):
        early = [self.recv(n, "--marks") for n in self.nodes[:2]]
        self.sinks_on(self.nodes[2], self.nodes[:2])
        flow = self.flow(self.nodes[2], "--sinks", "2")
        self.flowing([flow], early)
        late = self.recv(self.nodes[2], "--marks")
        self.sinks_on(self.nodes[0], self.nodes[2:])
        self.sinks_on(self.nodes[2], self.nodes)
        time.sleep(0.5)
        self.assertEqual(late.out(), b"")
        epoch = self.barrier(self.nodes[1])["epoch"]
        self.wait("lines come to it", late.out)
        self.wait("its placement is told", lambda: self.place()["epoch"] == epoch)
        self.assertEqual([sink[0] for sink in self.place()["sinks"]], ["1", "2", "3"])
        self.barrier(self.nodes[0])
        time.sleep(0.2)
        self.finish(flow)
        sinks = [*early, late]
        check_done(self, sinks)
        self.assertEqual([m.records for m in committed(late.said()) if m.epoch == int(epoch)], [0])
        check_whole(self, [flow], sinks)
        check_owners(self, sinks)
        check_cuts(self, [flow], sinks)


class OneAndFive(ClusterTest, Barriers):
    def test_a_node_alone(self):
        (node,) = self.cluster.start(1, **FAST)
        answer = self.barrier(node)
        self.assertEqual(answer["participants"], ["1"])
        self.assertEqual(answer["leader"], "1")
        result = node.run("barrier")
        self.assertRegex(result.stdout.decode(), r"^epoch 2 committed by leader 1 on 1 node in ")
        sink = self.recv(node, "--marks")
        self.sinks_on(node, [node])
        flow = self.flow(node)
        self.flowing([flow], [sink])
        epoch = int(self.barrier(node)["epoch"])
        flow.finish()
        check_done(self, (flow, sink))
        check_whole(self, [flow], [sink])
        check_cut(self, [flow], [sink], epoch, [flow.report()["committed_records"]])

    def test_five_nodes(self):
        nodes = self.cluster.start(5, **FAST)
        for node in nodes:
            answer = self.barrier(node)
            self.assertEqual(answer["participants"], ["1", "2", "3", "4", "5"])
            print(f"    node {node.number}: {answer['duration_us']} µs", flush=True)
        nodes[0].kill()
        answer = self.commits_again(nodes[4], "its leader is killed")
        self.assertEqual(answer["leader"], "2")
        self.assertEqual(answer["participants"], ["2", "3", "4", "5"])

    def test_nobody_leads_yet(self):
        """A node that still looks for its seed does not lead."""
        node = self.cluster.node(1, seeds=[f"127.0.0.1:{free_port()}"], **FAST).start()
        result = node.run("barrier", "--timeout", "500ms")
        self.assertEqual(result.returncode, UNKNOWN, result)
        self.assertIn("the checkpoint has not ended: 500ms has passed", result.stderr.decode())

    def test_half_of_the_expected_commit_nothing(self):
        settings = {**FAST, "checkpoint.expect": 3}
        (first,) = self.cluster.start(1, **settings)
        result = first.run("barrier", "-o", "json")
        self.assertEqual(result.returncode, UNKNOWN, result)
        self.assertIn("1 of 3 expected members is here", result.stderr.decode())
        second = self.cluster.node(2, **settings).start()
        agree([first, second], [1, 2])
        self.assertEqual(self.barrier(second)["participants"], ["1", "2"])
        second.kill()
        self.wait("it is missed", lambda: first.live() == [1])
        self.assertEqual(first.run("barrier").returncode, UNKNOWN)

    def test_by_themselves_every_interval(self):
        nodes = self.cluster.start(2, **FAST, **{"checkpoint.interval": "100ms"})
        epochs = [int((self.latest(n) or {"epoch": 0})["epoch"]) for n in nodes]
        start = time.monotonic()
        self.wait("ten epochs more", lambda: all(
            int(n.info()["checkpoint"]["epoch"] or 0) >= epochs[0] + 10 for n in nodes))
        self.assertGreater(time.monotonic() - start, 0.5, "no faster than asked")
        outcomes = {e["outcome"] for n in nodes for e in n.json("info", "--checkpoints")[1:]}
        self.assertEqual(outcomes, {"committed"})


class Sick(ClusterTest, Barriers):
    """A node that gossip still calls live, and that does nothing."""

    SETTINGS = {**FAST, "checkpoint.align_timeout": "700ms", "gossip.phi": "80"}

    def test_it_is_left_out_and_comes_back(self):
        a, b, c = self.cluster.start(3, **self.SETTINGS)
        self.barrier(a)
        c.signal(signal.SIGSTOP)
        failed = []
        for node in (a, b):
            answer = self.aborted(node)
            print(f"    {answer['duration_us']} µs: {answer['reason']}", flush=True)
            self.assertRegex(answer["reason"], r"\bnode 3\b")
            self.assertEqual(answer["missing"], ["3"])
            failed.append(answer["epoch"])
        self.assertEqual(a.live(), [1, 2, 3])
        answer = self.barrier(b)
        self.assertEqual(answer["participants"], ["1", "2"])
        member = a.members()["3"]
        self.assertTrue(member["suspended"])
        self.assertEqual(member["failed_epochs"], failed)
        self.assertEqual(a.info()["checkpoint"]["suspended"], ["3"])
        self.assertIn("suspended", a.run("members").stdout.decode())
        self.assertIn("node 3 is left out", a.log())
        c.signal(signal.SIGCONT)
        self.barrier(a)  # it probes
        self.wait("it is back", lambda: not a.members()["3"]["suspended"])
        back = self.barrier(b)
        self.assertEqual(back["participants"], ["1", "2", "3"])
        self.assertEqual(a.info()["checkpoint"]["suspended"], [])
        self.assertEqual(a.members()["3"]["failed_epochs"], [])

    def two_lost(self, nodes):
        """Node 3 is stopped, and left out."""
        nodes[2].signal(signal.SIGSTOP)
        for _ in range(2):
            self.aborted(nodes[0])

    def test_the_others_go_on(self):
        nodes = self.cluster.start(3, **self.SETTINGS)
        sinks = [self.recv(n, "--marks") for n in nodes[:2]]
        self.sinks_on(nodes[0], nodes[:2])
        flow = self.flow(nodes[1], "--sinks", "2")
        self.flowing([flow], sinks)
        self.two_lost(nodes)
        epoch = int(self.barrier(nodes[0])["epoch"])
        flow.finish()
        check_done(self, (flow, *sinks))
        check_whole(self, [flow], sinks)
        check_cut(self, [flow], sinks, epoch, [flow.report()["committed_records"]])

    def test_its_stages_are_placed_anew(self):
        """What its sink has confirmed stays with it, all further lines go to the
        others. When it wakes up it hears that this is the end."""
        nodes = self.cluster.start(3, **self.SETTINGS)
        sinks = [self.recv(n, "--marks") for n in nodes[1:]]
        self.sinks_on(nodes[0], nodes[1:])
        flow = self.flow(nodes[0], "--sinks", "2")
        self.flowing([flow], sinks)
        flow.pause()
        self.confirmed(nodes[0])
        self.two_lost(nodes)
        epoch = self.barrier(nodes[0])["epoch"]
        place = json.loads(nodes[0].get(f"weft:place:{self.stage()}"))
        self.assertEqual(place["epoch"], epoch)
        self.assertEqual([sink[0] for sink in place["sinks"]], ["2"])
        before = flow.written
        flow.go_on()
        self.wait("more lines come", lambda: flow.written > before + 5000)
        nodes[2].signal(signal.SIGCONT)
        flow.enough.set()
        check_done(self, (flow, *sinks))
        check_whole(self, [flow], sinks)
        self.assertLess(max(flow.numbers(sinks[1].lines())), before)
        self.assertEqual(flow.report()["committed_records"], before)
        (cut,) = committed(sinks[0].said())
        self.assertEqual(cut.records + len(sinks[1].lines()), before)


class Killed(ClusterTest, Barriers):
    """A node dies in the middle of an attempt."""

    def start_one(self):
        self.nodes = self.cluster.start(3, **FAST)
        sink = self.holder(self.nodes[2])
        asking = self.asking(self.nodes[2])
        self.in_the_middle(self.nodes)
        return sink, asking

    def test_a_follower(self):
        sink, asking = self.start_one()
        self.nodes[1].kill()
        start = time.monotonic()
        code, answer = self.answer(asking)
        print(f"    {time.monotonic() - start:.2f} s: {answer['reason']}", flush=True)
        self.assertEqual(code, ABORTED)
        self.assertRegex(answer["reason"], r"\bnode 2\b")
        self.assertEqual(answer["missing"], ["2"])
        sink.process.send_signal(signal.SIGCONT)
        after = self.commits_again(self.nodes[2], "a follower is killed")
        self.assertEqual(after["participants"], ["1", "3"])
        again = self.cluster.node(2, **FAST).start()
        agree([self.nodes[0], again, self.nodes[2]], [1, 2, 3])
        self.assertEqual(self.barrier(again)["participants"], ["1", "2", "3"])

    def test_the_leader(self):
        sink, asking = self.start_one()
        before = self.latest(self.nodes[2])
        self.nodes[0].kill()
        start = time.monotonic()
        sink.process.send_signal(signal.SIGCONT)
        code, answer = self.answer(asking)
        print(f"    {time.monotonic() - start:.2f} s: {code} {answer}", flush=True)
        self.assertIn(code, (COMMITTED, ABORTED, UNKNOWN))
        after = self.commits_again(self.nodes[1], "the leader is killed")
        print(f"    {time.monotonic() - start:.2f} s since the kill", flush=True)
        self.assertEqual(after["participants"], ["2", "3"])
        self.assertEqual(after["leader"], "2")
        self.assertGreater(int(after["epoch"]), int(before["epoch"]))
        again = self.cluster.node(1, **FAST).start()
        agree([again, *self.nodes[1:]], [1, 2, 3])
        back = self.commits_again(again, "the first is back")
        self.assertEqual(back["leader"], "1")
        self.assertGreater(int(back["epoch"]), int(after["epoch"]))


class Kept(ClusterTest, Barriers):
    """What a node knows of checkpoints after a restart."""

    def kept_on_disk(self):
        return {"node.data_dir": os.path.join(self.cluster.dir, "kept")}

    def test_epochs_go_on_after_a_restart(self):
        settings = {**FAST, **self.kept_on_disk()}
        node = self.cluster.node(1, **settings).start()
        agree([node], [1])
        epochs = [int(self.barrier(node)["epoch"]) for _ in range(3)]
        node.kill()
        node = self.cluster.node(1, **settings).start()
        agree([node], [1])
        self.assertGreater(int(self.barrier(node)["epoch"]), epochs[-1])

    def test_without_a_disk_the_others_know_the_epoch(self):
        a, b = self.cluster.start(2, **FAST)
        epochs = [int(self.barrier(a)["epoch"]) for _ in range(3)]
        a.kill()
        a = self.cluster.node(1, **FAST).start()
        agree([a, b], [1, 2])
        answer = self.barrier(b)
        self.assertEqual(answer["leader"], "1")
        self.assertGreater(int(answer["epoch"]), epochs[-1])

    def leader_dies(self, decided, **settings):
        """Node 1 leads, and node 2 has acked and hears no more of it: its control
        stays in the proxy until the leader is dead. With `decided`, the leader
        has committed before it died. Node 2, the epoch, and the leader's
        settings."""
        port = free_port()
        proxy = Proxy(port)
        self.addCleanup(proxy.close)
        settings = {**FAST, "gossip.phi": "30", **settings}
        leader = self.cluster.node(1, **settings).start()
        follower = self.cluster.node(
            2, **{"shuffle.bind": f"127.0.0.1:{port}", "shuffle.advertise": proxy.addr},
            **{**FAST, "gossip.phi": "30"}).start()
        agree([leader, follower], [1, 2])
        sink = self.holder(leader)
        asking = self.asking(leader)
        self.wait("it has acked", lambda: 
                  (self.latest(follower) or {"acked_us": None})["acked_us"] is not None)
        epoch = self.latest(follower)["epoch"]
        follower.signal(signal.SIGSTOP)
        proxy.hold()
        if decided:
            sink.process.send_signal(signal.SIGCONT)
            self.assertEqual(self.answer(asking)[0], COMMITTED)
        leader.kill()
        proxy.break_all()
        proxy.release()
        follower.signal(signal.SIGCONT)
        self.becomes(follower, epoch, "unknown")
        return follower, epoch, settings

    def becomes(self, node, epoch, outcome):
        def it_is():
            return [e["outcome"] for e in node.json("info", "--checkpoints")
                    if e["epoch"] == epoch and e["leader"] == "1"] == [outcome]
        self.wait(f"the epoch is {outcome}", it_is)

    def back(self, follower, settings):
        leader = self.cluster.node(1, **settings).start()
        agree([leader, follower], [1, 2])
        return leader

    def test_a_commit_on_disk_is_told_to_whoever_asks(self):
        follower, epoch, settings = self.leader_dies(True, **self.kept_on_disk())
        leader = self.back(follower, settings)
        self.becomes(follower, epoch, "committed")
        self.assertGreater(int(self.barrier(leader)["epoch"]), int(epoch))

    def test_what_is_not_on_disk_was_not_committed(self):
        follower, epoch, settings = self.leader_dies(False, **self.kept_on_disk())
        leader = self.back(follower, settings)
        self.becomes(follower, epoch, "aborted")
        self.assertGreater(int(self.barrier(leader)["epoch"]), int(epoch))

    def test_without_a_disk_it_stays_unknown(self):
        follower, epoch, settings = self.leader_dies(True)
        self.back(follower, settings)
        self.barrier(follower)
        self.becomes(follower, epoch, "unknown")


class Leaving(ClusterTest, Barriers):
    """SIGTERM at a node with a sink, under load: no line is lost."""

    def leave(self, leaving, source_on):
        nodes = self.cluster.start(3, **FAST)
        sinks = [self.recv(n, "--marks") for n in nodes]
        self.sinks_on(nodes[source_on], nodes)
        flow = self.flow(nodes[source_on], "--sinks", "3")
        self.flowing([flow], sinks)
        start = time.monotonic()
        self.assertEqual(nodes[leaving].stop(), 0)
        print(f"    it has left: {time.monotonic() - start:.2f} s", flush=True)
        self.assertLess(time.monotonic() - start, 8.5)
        check_done(self, [sinks[leaving]])
        self.assertIsNone(flow.process.poll(), flow.said())
        others = [n for i, n in enumerate(nodes) if i != leaving]
        agree(others, [n.number for n in others])
        answer = self.commits_again(others[0], "one has left")
        self.assertEqual(len(answer["participants"]), 2)
        time.sleep(0.2)
        flow.finish()
        check_done(self, (flow, *sinks))
        check_whole(self, [flow], sinks)
        check_owners(self, sinks)
        check_cuts(self, [flow], sinks)
        left = flow.numbers(sinks[leaving].lines())
        self.assertLess(max(left), flow.written - 1)

    def test_a_follower(self):
        self.leave(leaving=2, source_on=1)

    def test_the_leader(self):
        self.leave(leaving=0, source_on=1)

    def test_a_follower_beside_a_source_of_the_leader(self):
        self.leave(leaving=1, source_on=0)

    def test_the_leader_in_mid_attempt(self):
        """First it decides."""
        nodes = self.cluster.start(3, **FAST)
        sink = self.holder(nodes[2])
        asking = self.asking(nodes[1])
        self.in_the_middle(nodes)
        nodes[0].signal(signal.SIGTERM)
        time.sleep(0.3)
        self.assertEqual(nodes[1].members()["1"]["state"], "active")
        sink.process.send_signal(signal.SIGCONT)
        code, answer = self.answer(asking)
        self.assertEqual((code, answer["leader"]), (COMMITTED, "1"), answer)
        self.assertEqual(nodes[0].process.wait(10), 0)
        self.assertEqual(self.commits_again(nodes[2], "it has left")["leader"], "2")

    def test_without_company(self):
        """Nobody is there to take over: what runs has its six seconds."""
        (node,) = self.cluster.start(1, **FAST)
        sink = self.recv(node, "--marks")
        self.sinks_on(node, [node])
        flow = self.flow(node)
        self.flowing([flow], [sink])
        node.signal(signal.SIGTERM)
        self.wait("it drains", lambda: node.info()["state"] == "draining")
        flow.finish()
        check_done(self, (flow, sink))
        check_whole(self, [flow], [sink])
        self.assertEqual(node.process.wait(10), 0)

    def test_all_at_once(self):
        nodes = self.cluster.start(3, **FAST)
        sinks = [self.recv(n) for n in nodes]
        self.sinks_on(nodes[0], nodes)
        start = time.monotonic()
        for node in nodes:
            node.signal(signal.SIGTERM)
        self.assertEqual([n.process.wait(12) for n in nodes], [0, 0, 0])
        self.assertLess(time.monotonic() - start, 8.5)
        for sink in sinks:
            self.ended(sink)


class Storm(ClusterTest, Barriers):
    """Checkpoints every 250 ms, streams that come and go, and nodes that are
    killed, stopped, told to leave, and started again. WEFT_STORM_SECONDS says for
    how long."""

    SETTINGS = {**FAST, "checkpoint.interval": "250ms", "shuffle.peer_timeout": "5s"}

    def setUp(self):
        super().setUp()
        self.chance = seeded()
        self.over = threading.Event()
        self.addCleanup(self.over.set)
        self.lock = threading.Lock()  # around what the threads share:
        self.resting = set()  # numbers of nodes that are hurt just now
        self.faults = collections.Counter()
        self.streams = collections.Counter()
        self.failures = []
        self.outcomes = {}  # by leader, generation and epoch
        self.reasons = {}  # likewise

    def test_three_nodes(self):
        self.storm(3, streams=2, faults=1)

    def test_five_nodes(self):
        self.storm(5, streams=3, faults=2)

    def storm(self, count, streams, faults):
        self.nodes = {n: self.cluster.node(n, **self.settings_of(n)).start()
                      for n in range(1, count + 1)}
        agree(self.nodes.values(), range(1, count + 1))
        works = [(self.stream_after_stream, self.chance.getrandbits(32)) for _ in range(streams)]
        works += [(self.hurt, self.chance.getrandbits(32)) for _ in range(faults)]
        threads = [threading.Thread(target=self.guarded, args=work)
                   for work in [*works, (self.watch,)]]
        for thread in threads:
            thread.start()
        self.over.wait(STORM_S)
        self.over.set()
        for thread in threads:
            thread.join(120)
            if thread.is_alive():
                self.fail(f"a thread goes on\n{self.everything()}")
        self.assertFalse(self.failures, "\n".join(self.failures))
        self.calm(count)

    def settings_of(self, number):
        """Every other node keeps its decisions on disk."""
        if number % 2 == 0:
            return self.SETTINGS
        return {**self.SETTINGS, "node.data_dir": os.path.join(self.cluster.dir, f"kept{number}")}

    def guarded(self, work, *args):
        """A thread's failure is the test's, and ends the storm."""
        try:
            work(*args)
        except Exception as failure:  # whatever it is, the test tells it
            self.failures.append(f"{work.__name__}: {failure!r}\n{failure}\n{self.everything()}")
            self.over.set()

    def calm(self, count):
        """All is well again: the next one commits, and a stream goes through."""
        agree(self.nodes.values(), range(1, count + 1))
        answer = self.commits_again(self.nodes[count], "after the storm")
        if len(answer["participants"]) < count:  # one was left out, and is probed
            self.wait("all take part", lambda: len(
                self.barrier(self.nodes[1])["participants"]) == count)
        whole = self.streams["whole"]
        self.one_stream(self.chance, "calm")
        self.assertEqual(self.streams["whole"], whole + 1)
        for node in self.nodes.values():
            self.note_outcomes(node)
        by_outcome = collections.Counter(self.outcomes.values())
        print(f"    faults: {dict(self.faults)}; streams: {dict(self.streams)}; "
              f"epochs: {dict(by_outcome)}", flush=True)
        self.tell_reasons()
        self.assertGreater(sum(self.faults.values()), 0)
        self.assertGreater(by_outcome["committed"], STORM_S / 2)

    def tell_reasons(self):
        """The usual ones, whatever the numbers in them."""
        sentences = collections.Counter(
            re.sub(r"storm-[\d-]+|[\d.,:]+", "#", reason) for reason in self.reasons.values())
        for sentence, count in sentences.most_common(8):
            print(f"    {count} times: {sentence}", flush=True)

    # --- what is done to the nodes ---

    def hurt(self, seed):
        chance = random.Random(seed)
        while not self.over.wait(chance.uniform(0.2, 1.2)):
            fault = chance.choice((self.killed, self.killed, self.stopped, self.left))
            with self.lock:
                number = chance.choice(sorted(set(self.nodes) - self.resting))
                self.resting.add(number)
            fault(number, chance)
            with self.lock:
                self.resting.discard(number)
                self.faults[fault.__name__] += 1

    def killed(self, number, chance):
        self.nodes[number].kill()
        self.begin_again(number, chance)

    def left(self, number, chance):
        node = self.nodes[number]
        start = time.monotonic()
        if node.stop() != 0:
            raise AssertionError(f"node {number} ended with {node.process.returncode}")
        if time.monotonic() - start > 8.5:
            raise AssertionError(f"node {number} has taken too long to leave")
        self.begin_again(number, chance)

    def stopped(self, number, chance):
        self.nodes[number].signal(signal.SIGSTOP)
        time.sleep(chance.uniform(0.1, 2.5))
        self.nodes[number].signal(signal.SIGCONT)

    def begin_again(self, number, chance):
        time.sleep(chance.uniform(0, 1))
        node = self.cluster.node(number, seeds=self.seeds(), **self.settings_of(number))
        self.nodes[number] = node.start()

    def seeds(self):
        """Of those that are well, who answers: one may be hurt right now."""
        seeds = []
        for node in self.well():
            with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                seeds.append(node.gossip_addr())
        return seeds

    # --- what the nodes do ---

    def well(self):
        with self.lock:
            return [n for n in self.nodes.values() if n.number not in self.resting]

    def stream_after_stream(self, seed):
        chance = random.Random(seed)
        i = 0
        while not self.over.is_set():
            i += 1
            self.one_stream(chance, f"storm-{seed}-{i}")

    def one_stream(self, chance, stage):
        """A source, its sinks, and perhaps one sink more that comes late."""
        well = self.well()
        on = chance.sample(well, chance.randint(1, len(well)))
        sinks = [self.recv(n, "--marks", "--timeout", "4s", stage=stage) for n in on]
        flow = Flow(self, chance.choice(well), stage, "--sinks", str(len(on)),
                    "--timeout", "3s", rate=3000)
        late = [n for n in well if n not in on]
        time.sleep(chance.uniform(0.2, 1))
        if late:
            sinks.append(self.recv(
                chance.choice(late), "--marks", "--timeout", "2s", stage=stage))
        time.sleep(chance.uniform(0.2, 1.5))
        flow.enough.set()
        code = self.ended(flow)
        if code == 0:
            for sink in sinks:
                self.ended(sink)
            check_whole(self, [flow], sinks)
            check_owners(self, sinks)
            check_cuts(self, [flow], sinks)
        for sink in sinks:
            sink.end()
        with self.lock:
            self.streams["whole" if code == 0 else "told of its loss"] += 1

    def watch(self):
        """Commits come all the time."""
        chance = random.Random(0)
        since = time.monotonic()
        longest = 0
        while not self.over.wait(0.2):
            before = self.commits()
            self.note_outcomes(chance.choice(self.well()))
            longest = max(longest, time.monotonic() - since)
            if self.commits() > before:
                since = time.monotonic()
            if longest > FAILOVER_S:
                raise AssertionError(f"no commit for {longest:.0f} s")
        print(f"    at most {longest:.1f} s without a commit", flush=True)

    def commits(self):
        return sum(outcome == "committed" for outcome in self.outcomes.values())

    def note_outcomes(self, node):
        """One outcome for an epoch of a leader's life, whoever is asked."""
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            said = node.run("info", "--checkpoints", "-o", "json", timeout=5)
            for e in json.loads(said.stdout or "[]"):
                self.note(node, e)

    def note(self, node, e):
        if e["outcome"] not in ("committed", "aborted"):
            return
        key = (e["leader"], e["generation"], e["epoch"])
        known = self.outcomes.setdefault(key, e["outcome"])
        if e["outcome"] == "aborted":
            self.reasons.setdefault(key, e["reason"])
        if known != e["outcome"]:
            self.failures.append(f"node {node.number}: {key} is {known} and {e['outcome']}")


if __name__ == "__main__":
    unittest.main(verbosity=0)
