"""Records on their way: each to its owner, once, and every loss counted.

The stories follow the table of docs/wire.md, "The end": who exits
with what, which sentence is said, and that the counts on both ends are exact.
"""

import collections
import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
import unittest

from cluster import ClusterTest, agree, seeded, wait_until
from programs import (
    DONE, FAST, NO, TIMED_OUT, Shared, Stories, joined, lines_of, words,
)
from proxy import Proxy, free_port

RECORD_MAX = 256 * 1024 - 4  # a line beside its length word


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


class EveryLineOnce(Shared):
    def spread(self, lines, sources, *args):
        """Sends from several nodes to sinks on all three; the sinks' lines."""
        sinks = [self.recv(n, "--sources", str(len(sources))) for n in self.nodes]
        parts = [lines[i::len(sources)] for i in range(len(sources))]
        senders = [self.source(n, "--sinks", "3", *args) for n in sources]
        for sender, part in zip(senders, parts):
            threading.Thread(target=self.feed, args=(sender, part)).start()
        for program in senders + sinks:
            self.assertEqual(program.wait(), DONE, program.said())
        return [sink.lines() for sink in sinks]

    @staticmethod
    def feed(sender, lines):
        sender.write(lines)
        sender.stdin.close()

    def check_owners(self, sent, outputs):
        """Every line once, and no key on two nodes."""
        together = collections.Counter(line for out in outputs for line in out)
        self.assertEqual(together, collections.Counter(sent))
        keys = [set(out) for out in outputs]
        self.assertTrue(all(keys), "every node owns something")
        self.assertEqual(len(keys[0] | keys[1] | keys[2]), sum(map(len, keys)))

    def test_each_line_goes_once_to_its_owner(self):
        sent = words(60000)
        self.check_owners(sent, self.spread(sent, self.nodes[:1]))

    def test_sources_on_different_nodes_agree_who_owns_what(self):
        sent = words(60000)
        self.check_owners(sent, self.spread(sent, self.nodes))

    def test_three_sources_on_one_node(self):
        sent = words(9000)
        self.check_owners(sent, self.spread(sent, [self.nodes[1]] * 3))

    def test_order_is_kept_on_the_way_to_a_sink(self):
        sink = self.recv(self.nodes[1])
        sent = [b"%d" % i for i in range(50000)]
        self.assertEqual(self.send(self.nodes[0], joined(sent)).returncode, DONE)
        self.assertEqual(sink.wait(), DONE)
        self.assertEqual(sink.lines(), sent)

    def test_the_report_counts_each_sink(self):
        sinks = [self.recv(n) for n in self.nodes]
        self.sinks_on(self.nodes[2], self.nodes)
        sent = words(5000)
        result = self.send(self.nodes[2], joined(sent), "--sinks", "3", "-o", "json")
        self.assertEqual(result.returncode, DONE, result.stderr)
        report = json.loads(result.stdout)
        self.assertEqual(report["records"], 5000)
        self.assertEqual(report["confirmed"], 5000)
        rows = {int(row["node"]): row for row in report["sinks"]}
        for node, sink in zip(self.nodes, sinks):
            self.assertEqual(sink.wait(), DONE)
            self.assertEqual(rows[node.number]["records"], len(sink.lines()))
            self.assertEqual(rows[node.number]["confirmed"], len(sink.lines()))

    def test_a_key_field_decides_the_owner(self):
        sinks = [self.recv(n) for n in self.nodes]
        sent = [b"%d,k%d,%d" % (i, i % 53, i) for i in range(4000)] + [b"no field"]
        result = self.send(
            self.nodes[0], joined(sent), "--sinks", "3", "--key-field", "2", "--delimiter", ","
        )
        self.assertEqual(result.returncode, DONE, result.stderr)
        outputs = []
        for sink in sinks:
            self.assertEqual(sink.wait(), DONE)
            outputs.append(sink.lines())
        self.assertEqual(sorted(line for out in outputs for line in out), sorted(sent))
        keys = [{line.split(b",")[1] for line in out if b"," in line} for out in outputs]
        self.assertEqual(len(set().union(*keys)), sum(map(len, keys)))
        self.assertEqual(len(set().union(*keys)), 53)


class Lines(Shared):
    def carried(self, data, *args):
        sink = self.recv(self.nodes[1], *args)
        result = self.send(self.nodes[0], data)
        self.assertEqual(result.returncode, DONE, result.stderr)
        self.assertEqual(sink.wait(), DONE, sink.said())
        return sink.out()

    def test_empty_lines_are_records(self):
        self.assertEqual(self.carried(b"\n\na\n\n"), b"\n\na\n\n")

    def test_a_last_line_without_its_end_is_a_record(self):
        self.assertEqual(self.carried(b"a\nb"), b"a\nb\n")

    def test_no_line_at_all(self):
        self.assertEqual(self.carried(b""), b"")

    def test_any_byte_goes_through(self):
        data = bytes(range(256)).replace(b"\n", b"") + b"\n"
        self.assertEqual(self.carried(data), data)

    def test_null_ends_records_in_its_place(self):
        self.assertEqual(self.carried(b"a b\n\nc\n", "--null"), b"a b\0\0c\0")

    def test_the_longest_line(self):
        data = b"short\n" + b"x" * RECORD_MAX + b"\nshort\n"
        self.assertEqual(self.carried(data), data)

    def test_one_byte_more_is_refused_with_its_line(self):
        sink = self.recv(self.nodes[1])
        result = self.send(self.nodes[0], b"a\nb\n" + b"x" * (RECORD_MAX + 1) + b"\nc\n")
        self.assertEqual(result.returncode, NO)
        self.assertIn("line 3 ", result.stderr.decode())
        self.assertEqual(sink.wait(), NO)
        self.assertEqual(sink.lines(), [b"a", b"b"])
        self.assertEqual(self.lost(sink.said()), [(1, 2)])

    def test_files_are_read_in_order(self):
        paths = []
        for i, text in enumerate((b"a\nb", b"", b"c\n")):
            paths.append(os.path.join(self.cluster.dir, f"file{i}"))
            with open(paths[-1], "wb") as f:
                f.write(text)
        sink = self.recv(self.nodes[2])
        result = self.nodes[0].run("send", self.stage(), *paths)
        self.assertEqual(result.returncode, DONE, result.stderr)
        self.assertEqual(sink.wait(), DONE)
        self.assertEqual(sink.lines(), [b"a", b"b", b"c"])


class Waiting(Shared):
    def test_a_source_waits_for_its_sinks_and_says_for_whom(self):
        first = self.recv(self.nodes[0])
        second = self.recv(self.nodes[1])
        self.sinks_on(self.nodes[0], self.nodes[:2])
        result = self.send(self.nodes[0], b"a\n", "--sinks", "3", "--timeout", "700ms")
        self.assertEqual(result.returncode, TIMED_OUT)
        self.assertRegex(result.stderr.decode(), r"3 sinks of \S+: 2 are there, on .*1.*2")
        source = self.source(self.nodes[0], "--sinks", "3")
        source.write([b"a", b"b"])
        source.stdin.close()
        third = self.recv(self.nodes[2])
        self.assertEqual(source.wait(), DONE, source.said())
        for sink in (first, second, third):
            self.assertEqual(sink.wait(), DONE, sink.said())
        self.assertEqual(sorted(first.lines() + second.lines() + third.lines()), [b"a", b"b"])

    def test_nobody_there_in_time(self):
        result = self.send(self.nodes[0], b"a\n", "--timeout", "300ms")
        self.assertEqual(result.returncode, TIMED_OUT)
        self.assertIn("no node has one", result.stderr.decode())
        result = self.nodes[0].run("recv", self.stage(), "--timeout", "300ms")
        self.assertEqual(result.returncode, TIMED_OUT)
        self.assertEqual(result.stdout, b"")

    def test_a_time_limit_ends_with_the_first_source(self):
        sink = self.recv(self.nodes[1], "--timeout", "2s")
        source = self.source(self.nodes[0])
        source.write([b"a"])
        wait_until("a record is there", lambda: sink.lines() == [b"a"])
        time.sleep(2.5)
        source.write([b"b"])
        source.stdin.close()
        self.assertEqual(source.wait(), DONE)
        self.assertEqual(sink.wait(), DONE, sink.said())
        self.assertEqual(sink.lines(), [b"a", b"b"])

    def test_a_second_sink_of_a_stage_is_refused(self):
        first = self.recv(self.nodes[1])
        self.sinks_on(self.nodes[0], self.nodes[1:2])
        second = self.nodes[1].run("recv", self.stage())
        self.assertEqual(second.returncode, NO)
        self.assertIn("has a sink of", second.stderr.decode())
        self.assertEqual(self.send(self.nodes[0], b"a\n").returncode, DONE)
        self.assertEqual(first.wait(), DONE)
        self.assertEqual(first.lines(), [b"a"])

    def test_a_sink_that_comes_late_waits_for_the_next_source(self):
        early = self.recv(self.nodes[1])
        self.sinks_on(self.nodes[0], self.nodes[1:2])
        source = self.source(self.nodes[0])
        source.write(words(100))
        wait_until("records are there", lambda: len(early.lines()) == 100)
        place = f"weft:place:{self.stage()}"
        wait_until("the placement is published", lambda: self.nodes[2].get(place, 1))
        late = self.recv(self.nodes[2])
        self.sinks_on(self.nodes[0], self.nodes[2:3])
        source.write(words(100))
        source.stdin.close()
        self.assertEqual(source.wait(), DONE)
        self.assertEqual(early.wait(), DONE)
        self.assertEqual(len(early.lines()), 200)
        wait_until("the placement is gone", lambda: self.nodes[2].get(place, 1) is None)
        self.assertIsNone(late.process.poll())
        self.assertEqual(late.lines(), [])
        self.assertEqual(self.send(self.nodes[0], b"for the late one\n").returncode, DONE)
        self.assertEqual(late.wait(), DONE)
        self.assertEqual(late.lines(), [b"for the late one"])

    def test_a_follower_takes_one_source_after_another(self):
        sink = self.recv(self.nodes[1], "--follow")
        for i in range(3):
            self.assertEqual(self.send(self.nodes[i], b"%d\n" % i).returncode, DONE)
        self.assertEqual(sink.lines(), [b"0", b"1", b"2"])
        self.assertIsNone(sink.process.poll())


class EndsOfPrograms(Shared):
    def running(self, count=1000, sinks=1):
        """A source whose first lines have come to the sinks."""
        receivers = [self.recv(n) for n in self.nodes[1:1 + sinks]]
        self.sinks_on(self.nodes[0], self.nodes[1:1 + sinks])
        source = self.source(self.nodes[0], "--sinks", str(sinks))
        source.write(words(count))
        wait_until(
            "its lines are there", lambda: sum(len(r.lines()) for r in receivers) == count
        )
        return source, receivers

    def check_lost(self, receivers, count):
        """Each sink kept what came, and says how much of the source that was."""
        total = 0
        for receiver in receivers:
            self.assertEqual(receiver.wait(), NO)
            self.assertEqual(self.lost(receiver.said()), [(1, len(receiver.lines()))])
            total += len(receiver.lines())
        self.assertEqual(total, count)

    def test_a_source_that_is_killed(self):
        source, receivers = self.running(sinks=2)
        source.process.kill()
        self.check_lost(receivers, 1000)

    def test_a_source_that_is_interrupted(self):
        source, receivers = self.running(sinks=2)
        source.process.send_signal(signal.SIGINT)
        self.assertEqual(source.wait(), NO)
        self.assertIn("interrupted", source.said())
        self.check_lost(receivers, 1000)

    def test_one_lost_source_of_two_spoils_only_the_exit_code(self):
        receiver = self.recv(self.nodes[1], "--sources", "2")
        lost = self.source(self.nodes[0])
        lost.write(words(500))
        wait_until("its lines are there", lambda: len(receiver.lines()) == 500)
        kept = self.source(self.nodes[2])
        kept.write(words(300))
        wait_until("all lines are there", lambda: len(receiver.lines()) == 800)
        lost.process.kill()
        time.sleep(0.3)
        kept.write(words(200))
        kept.stdin.close()
        self.assertEqual(kept.wait(), DONE, kept.said())
        self.assertEqual(receiver.wait(), NO)
        self.assertEqual(len(receiver.lines()), 1000)
        self.assertEqual(self.lost(receiver.said()), [(1, 500)])

    def test_a_sink_that_has_enough_ends_the_source(self):
        head = subprocess.Popen(["head", "-1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        receiver = self.recv(self.nodes[1], stdout=head.stdin)
        head.stdin.close()
        self.sinks_on(self.nodes[0], self.nodes[1:2])
        source = self.source(self.nodes[0])
        source.write(words(1000))
        self.assertEqual(head.stdout.read(), b"word-0\n")
        self.assertEqual(head.wait(30), 0)
        head.stdout.close()
        threading.Thread(target=self.write_until_broken, args=(source,), daemon=True).start()
        self.assertEqual(source.wait(), NO)
        self.assertEqual(receiver.wait(), DONE, receiver.said())
        self.assertEqual(receiver.said(), "")
        self.assertIn(f"the sink of {self.stage()} on node 2 left", source.said())
        missing, sent = self.counts(source.said())
        self.assertLessEqual(missing, sent)
        self.assertGreaterEqual(sent - missing, 1)

    @staticmethod
    def write_until_broken(source):
        try:
            for _ in range(1000):
                source.write(words(1000))
                time.sleep(0.005)
        except (BrokenPipeError, ValueError):
            pass

    def test_a_sink_that_is_killed(self):
        source, (killed, other) = self.running(sinks=2)
        kept = len(killed.lines())
        killed.process.kill()
        self.assertEqual(source.wait(), NO)
        self.assertIn("on node 2 left", source.said())
        missing, sent = self.counts(source.said())
        self.assertLessEqual(missing, sent)
        self.assertLessEqual(sent - missing, kept if sent < 1000 else 1000)
        self.assertEqual(other.wait(), NO)
        self.assertEqual(self.lost(other.said()), [(1, len(other.lines()))])
        self.assertEqual(len(other.lines()) + kept, 1000)

    def test_a_reader_that_sleeps_costs_nothing(self):
        lines = [b"%08d" % i + b"x" * 92 for i in range(200000)]
        out = os.path.join(self.cluster.dir, "slept")
        with open(out, "wb") as f:
            slow = subprocess.Popen(
                ["sh", "-c", "sleep 5; exec cat"], stdin=subprocess.PIPE, stdout=f
            )
        receiver = self.recv(self.nodes[1], stdout=slow.stdin)
        slow.stdin.close()
        self.sinks_on(self.nodes[0], self.nodes[1:2])
        before = {
            "recv": rss_kib(receiver.process.pid),
            "the sink's node": rss_kib(self.nodes[1].process.pid),
            "the source's node": rss_kib(self.nodes[0].process.pid),
        }
        source = self.source(self.nodes[0])
        threading.Thread(target=EveryLineOnce.feed, args=(source, lines)).start()
        time.sleep(3.5)
        after = {
            "recv": rss_kib(receiver.process.pid),
            "the sink's node": rss_kib(self.nodes[1].process.pid),
            "the source's node": rss_kib(self.nodes[0].process.pid),
        }
        for who, kib in after.items():
            print(f"    {who}: {before[who]} KiB, then {kib} KiB", flush=True)
            self.assertLess(kib - before[who], 16 * 1024, who)
        self.assertIsNone(source.process.poll())
        self.assertEqual(source.wait(), DONE, source.said())
        self.assertEqual(receiver.wait(), DONE, receiver.said())
        self.assertEqual(slow.wait(30), 0)
        with open(out, "rb") as f:
            self.assertEqual(lines_of(f.read()), lines)

    def test_a_slow_sink_slows_its_own_sources_alone(self):
        asleep = self.recv(self.nodes[1], stage="asleep")
        self.sinks_on(self.nodes[0], self.nodes[1:2], stage="asleep")
        asleep.process.send_signal(signal.SIGSTOP)
        blocked = self.source(self.nodes[0], stage="asleep")
        data = [b"%07d" % i + b"x" * 93 for i in range(100000)]
        threading.Thread(target=EveryLineOnce.feed, args=(blocked, data)).start()
        time.sleep(1)
        awake = self.recv(self.nodes[1], stage="awake")
        result = self.send(self.nodes[0], joined(data), stage="awake")
        self.assertEqual(result.returncode, DONE, result.stderr)
        self.assertEqual(awake.wait(), DONE)
        self.assertEqual(awake.lines(), data)
        self.assertIsNone(blocked.process.poll())
        asleep.process.send_signal(signal.SIGCONT)
        self.assertEqual(blocked.wait(), DONE, blocked.said())
        self.assertEqual(asleep.wait(), DONE)
        self.assertEqual(asleep.lines(), data)


class FirstContact(ClusterTest, Stories):
    def connections(self):
        return [n.info()["shuffle"]["connections"] for n in self.cluster.nodes
                if n.process.poll() is None]

    def test_an_unknown_peer_is_found_in_the_gossip(self):
        a, b, c = self.cluster.start(3, **FAST)
        sink = self.recv(b)
        self.sinks_on(a, [b])
        self.assertEqual(self.connections(), [0, 0, 0])
        start = time.monotonic()
        self.assertEqual(self.send(a, b"loom\n").returncode, DONE)
        print(f"    first contact: {1000 * (time.monotonic() - start):.0f} ms", flush=True)
        self.assertEqual(sink.wait(), DONE)
        self.assertEqual(sink.lines(), [b"loom"])
        self.assertEqual(self.connections(), [1, 1, 0])
        peer = [p for p in a.info()["shuffle"]["peers"] if p["id"] == "2"][0]
        self.assertEqual(peer["addr"], b.info()["shuffle"]["addr"])
        self.assertEqual(peer["dialect"], "weft")

    def test_a_peer_that_comes_back_elsewhere_is_found_again(self):
        a, b, c = self.cluster.start(3, **FAST)
        sink = self.recv(b)
        self.assertEqual(self.send(a, b"first\n").returncode, DONE)
        self.assertEqual(sink.wait(), DONE)
        was = b.info()["shuffle"]["addr"]
        b.kill()
        again = self.cluster.node(2, seeds=[c.gossip_addr()], **FAST).start()
        agree([a, again, c], [1, 2, 3])
        self.assertNotEqual(again.info()["shuffle"]["addr"], was)
        sink = self.recv(again)
        self.assertEqual(self.send(a, b"second\n").returncode, DONE)
        self.assertEqual(sink.wait(), DONE)
        self.assertEqual(sink.lines(), [b"second"])


class BrokenConnections(ClusterTest, Stories):
    """Node 2 is reached through a proxy that can hold and break."""

    def through_a_proxy(self, **settings):
        port = free_port()
        proxy = Proxy(port)
        self.addCleanup(proxy.close)
        a = self.cluster.node(1, **FAST, **settings).start()
        b = self.cluster.node(
            2, **{"shuffle.bind": f"127.0.0.1:{port}", "shuffle.advertise": proxy.addr},
            **FAST, **settings
        ).start()
        agree([a, b], [1, 2])
        return a, b, proxy

    def started(self, **settings):
        a, b, proxy = self.through_a_proxy(**settings)
        sink = self.recv(b)
        self.sinks_on(a, [b])
        source = self.source(a)
        source.write(words(1000))
        wait_until("its lines are there", lambda: len(sink.lines()) == 1000)
        self.confirmed(a)
        self.assertEqual(proxy.accepted, 1)
        return a, b, proxy, source, sink

    def test_it_is_opened_again_when_all_was_confirmed(self):
        _, _, proxy, source, sink = self.started()
        for round_ in range(3):
            proxy.break_all()
            wait_until("it is opened again", lambda: proxy.accepted == round_ + 2)
            source.write(words(500))
            wait_until(
                "the stream goes on", lambda: len(sink.lines()) == 1500 + 500 * round_
            )
        source.stdin.close()
        self.assertEqual(source.wait(), DONE, source.said())
        self.assertEqual(sink.wait(), DONE, sink.said())
        self.assertEqual(sink.lines(), words(1000) + 3 * words(500))

    def test_what_was_not_confirmed_is_counted_on_both_ends(self):
        a, _, proxy, source, sink = self.started()
        proxy.hold()
        source.write(words(700))
        wait_until(
            "records are on their way",
            lambda: sum(p["unconfirmed_records"] for p in a.info()["shuffle"]["peers"]) == 700,
        )
        proxy.break_all()
        proxy.release()
        self.assertEqual(source.wait(), NO)
        self.assertIn("node 2", source.said())
        self.assertEqual(self.counts(source.said()), (700, 1700))
        self.assertEqual(sink.wait(), NO)
        self.assertEqual(sink.lines(), words(1000))
        self.assertEqual(self.lost(sink.said()), [(1, 1000)])

    def test_a_sink_that_cannot_be_reached_any_more(self):
        _, _, proxy, source, sink = self.started()
        proxy.refuse()
        proxy.break_all()
        start = time.monotonic()
        source.write(words(10))
        self.assertEqual(source.wait(), NO)
        print(f"    the source knows: {time.monotonic() - start:.2f} s", flush=True)
        self.assertIn("node 2", source.said())
        self.assertEqual(self.counts(source.said()), (10, 1010))
        self.assertEqual(sink.wait(), NO)
        self.assertEqual(sink.lines(), words(1000))
        self.assertEqual(self.lost(sink.said()), [(1, 1000)])

    def test_a_source_that_cannot_come_at_all(self):
        a, b, proxy = self.through_a_proxy()
        proxy.refuse()
        self.recv(b)
        self.sinks_on(a, [b])
        result = self.send(a, b"a\n", "--timeout", "3s")
        self.assertEqual(result.returncode, TIMED_OUT)
        self.assertIn("node 2", result.stderr.decode())


    def test_a_connection_on_which_nothing_moves_any_more(self):
        a, _, proxy, source, sink = self.started(**{"shuffle.peer_timeout": "3s"})
        proxy.hold()
        source.write(words(300))
        start = time.monotonic()
        wait_until("it is given up", lambda: proxy.accepted == 2)
        self.assertGreater(time.monotonic() - start, 2)
        proxy.release()
        self.assertEqual(source.wait(), NO)
        self.assertEqual(self.counts(source.said()), (300, 1300))
        self.assertEqual(sink.wait(), NO)
        self.assertEqual(self.lost(sink.said()), [(1, len(sink.lines()))])
        self.assertEqual(sink.lines(), words(1000))

    def test_an_idle_stream_outlives_the_silence(self):
        a, _, proxy, source, sink = self.started(**{"shuffle.peer_timeout": "3s"})
        time.sleep(7)
        source.write(words(300))
        source.stdin.close()
        self.assertEqual(source.wait(), DONE, source.said())
        self.assertEqual(sink.wait(), DONE, sink.said())
        self.assertEqual(proxy.accepted, 1)

    def test_a_peer_that_accepts_and_says_nothing(self):
        a, b, proxy = self.through_a_proxy()
        proxy.hold()
        sink = self.recv(b)
        self.sinks_on(a, [b])
        result = self.send(a, b"a\n", "--timeout", "3s")
        self.assertEqual(result.returncode, TIMED_OUT)
        self.assertIn("node 2", result.stderr.decode())
        self.assertGreater(a.info()["shuffle"]["dropped"]["greet_late"], 0)
        proxy.break_all()
        proxy.release()
        self.assertEqual(self.send(a, b"b\n").returncode, DONE)
        self.assertEqual(sink.wait(), DONE)
        self.assertEqual(sink.lines(), [b"b"])


class EndsOfNodes(ClusterTest, Stories):
    def running(self, count=1000, at=(1, 2)):
        """Three nodes; a source on the first, sinks on those of the others."""
        nodes = self.cluster.start(3, **FAST)
        sinks = [self.recv(nodes[i]) for i in at]
        self.sinks_on(nodes[0], [nodes[i] for i in at])
        source = self.source(nodes[0], "--sinks", str(len(at)))
        source.write(words(count))
        wait_until("its lines are there", lambda: sum(len(s.lines()) for s in sinks) == count)
        self.confirmed(nodes[0])
        return nodes, source, sinks

    def test_the_node_of_a_sink_is_killed(self):
        (a, b, _), source, (gone, kept) = self.running()
        start = time.monotonic()
        b.kill()
        source.write(words(1000))
        self.assertEqual(source.wait(), NO)
        print(f"    the source knows: {time.monotonic() - start:.2f} s", flush=True)
        self.assertIn("node 2", source.said())
        missing, sent = self.counts(source.said())
        self.assertEqual(sent - missing, len(gone.lines()))
        self.assertEqual(gone.wait(), NO)
        self.assertEqual(kept.wait(), NO)
        self.assertEqual(self.lost(kept.said()), [(1, len(kept.lines()))])
        self.assertEqual(a.run("health").returncode, DONE)

    def test_the_node_of_a_source_is_killed(self):
        (a, b, c), source, sinks = self.running()
        a.kill()
        self.assertEqual(source.wait(), NO)
        self.assertIn("the node ended", source.said())
        total = 0
        for sink in sinks:
            self.assertEqual(sink.wait(), NO)
            self.assertEqual(self.lost(sink.said()), [(1, len(sink.lines()))])
            total += len(sink.lines())
        self.assertEqual(total, 1000)

    def ended_in_time(self, node):
        start = time.monotonic()
        self.assertEqual(node.stop(timeout=12), DONE)
        took = time.monotonic() - start
        print(f"    the node has left: {took:.2f} s", flush=True)
        self.assertLess(took, 8.5)
        return took

    def test_sigterm_at_the_node_of_a_source(self):
        (a, b, c), source, sinks = self.running()
        self.assertGreater(self.ended_in_time(a), 5)
        self.assertEqual(source.wait(), NO)
        self.assertIn("node 1 is leaving", source.said())
        self.assertEqual(self.counts(source.said()), (0, 1000))
        total = 0
        for sink in sinks:
            self.assertEqual(sink.wait(), NO)
            self.assertEqual(self.lost(sink.said()), [(1, len(sink.lines()))])
            total += len(sink.lines())
        self.assertEqual(total, 1000)

    def test_sigterm_at_the_node_of_a_sink(self):
        """Its keys move to the other one at a checkpoint."""
        (_, b, _), source, sinks = self.running()
        self.assertLess(self.ended_in_time(b), 5)
        source.write(words(500))
        source.stdin.close()
        self.assertEqual(source.wait(), DONE, source.said())
        for sink in sinks:
            self.assertEqual(sink.wait(), DONE, sink.said())
        self.assertEqual(sum(len(s.lines()) for s in sinks), 1500)

    def draining(self, a, b):
        """`b` drains, and its keys have nowhere to go."""
        stopper = threading.Thread(target=b.stop)
        stopper.start()
        self.addCleanup(stopper.join)
        wait_until("it drains", lambda: a.members()["2"]["state"] == "draining")
        return stopper

    def test_sigterm_at_the_node_of_the_only_sink(self):
        (a, b, _), source, (leaving,) = self.running(at=(1,))
        stopper = self.draining(a, b)
        self.assertEqual(b.run("recv", "another").returncode, NO)
        source.write(words(500))
        wait_until("what runs goes on", lambda: len(leaving.lines()) == 1500)
        stopper.join()
        self.assertEqual(b.process.returncode, DONE)
        self.assertEqual(source.wait(), NO)
        self.assertIn("node 2", source.said())
        self.assertEqual(self.counts(source.said()), (0, 1500))
        self.assertEqual(leaving.wait(), NO)

    def test_what_ends_in_time_ends_well(self):
        (a, b, _), source, (leaving,) = self.running(at=(1,))
        stopper = self.draining(a, b)
        source.write(words(500))
        source.stdin.close()
        self.assertEqual(source.wait(), DONE, source.said())
        self.assertEqual(leaving.wait(), DONE, leaving.said())
        self.assertEqual(len(leaving.lines()), 1500)
        start = time.monotonic()
        stopper.join()
        self.assertLess(time.monotonic() - start, 4)
        self.assertEqual(b.process.returncode, DONE)


class UnderLoad(ClusterTest, Stories):
    """The same ends while records are flowing."""

    def setUp(self):
        super().setUp()
        self.enough = threading.Event()
        self.addCleanup(self.enough.set)

    def flowing(self, feed):
        """A source on node 1 that `feed` writes to, sinks on the others."""
        nodes = self.cluster.start(3, **FAST)
        sinks = [self.recv(n) for n in nodes[1:]]
        self.sinks_on(nodes[0], nodes[1:])
        source = self.source(nodes[0], "--sinks", "2", "-o", "json")
        threading.Thread(target=feed, args=(source.stdin,), daemon=True).start()
        wait_until("records flow", lambda: all(len(s.out()) > 500000 for s in sinks))
        return nodes, source, sinks

    @staticmethod
    def fast(stdin):
        """Numbers, as fast as they are taken."""
        with subprocess.Popen(["seq", "1", "1000000000"], stdout=stdin) as numbers:
            stdin.close()
            numbers.wait()

    def steady(self, stdin):
        """Numbers, 50,000 a second until it is enough."""
        i = 1
        try:
            while not self.enough.is_set():
                stdin.write(joined(b"%040d" % n for n in range(i, i + 500)))
                stdin.flush()
                i += 500
                time.sleep(0.01)
            stdin.close()
        except (BrokenPipeError, ValueError):
            pass

    def check_kept(self, sink):
        """What a sink wrote: in order, nothing twice, as many as it says."""
        self.assertEqual(sink.wait(), NO)
        kept = [int(line) for line in sink.lines()]
        self.assertTrue(all(a < b for a, b in zip(kept, kept[1:])), "order")
        self.assertEqual(self.lost(sink.said()), [(1, len(kept))])
        return kept

    def report(self, source):
        """Of a source that failed: its report, by sink node."""
        self.assertEqual(source.wait(), NO)
        report = json.loads(source.out())
        rows = {int(row["node"]): row for row in report["sinks"]}
        self.assertEqual(sum(r["confirmed"] for r in rows.values()), report["confirmed"])
        print(f"    {report['confirmed']} of {report['records']} confirmed", flush=True)
        return rows

    def test_a_source_is_killed(self):
        _, source, sinks = self.flowing(self.fast)
        source.process.kill()
        first, second = (self.check_kept(sink) for sink in sinks)
        self.assertFalse(set(first) & set(second))

    def test_a_source_is_interrupted(self):
        _, source, sinks = self.flowing(self.fast)
        source.process.send_signal(signal.SIGINT)
        rows = self.report(source)
        self.assertRegex(source.said(), r"interrupted; [\d,]+ of [\d,]+ records are confirmed")
        for number_, sink in zip((2, 3), sinks):
            self.assertLessEqual(rows[number_]["confirmed"], len(self.check_kept(sink)))

    def test_a_sink_is_killed(self):
        _, source, (killed, kept) = self.flowing(self.fast)
        killed.process.kill()
        rows = self.report(source)
        self.assertRegex(source.said(), r"the sink of \S+ on node 2 left")
        missing, sent = self.counts(source.said())
        self.assertEqual((sent, sent - missing), (rows[2]["records"], rows[2]["confirmed"]))
        self.assertLessEqual(rows[2]["confirmed"], killed.out().count(b"\n"))
        self.assertLessEqual(rows[3]["confirmed"], len(self.check_kept(kept)))

    def test_the_node_of_a_sink_is_killed(self):
        (_, b, _), source, (gone, kept) = self.flowing(self.fast)
        b.kill()
        rows = self.report(source)
        self.assertEqual(gone.wait(), NO)
        self.assertLessEqual(rows[2]["confirmed"], gone.out().count(b"\n"))
        self.assertLessEqual(rows[3]["confirmed"], len(self.check_kept(kept)))

    def test_the_node_of_a_source_is_killed(self):
        (a, _, _), source, sinks = self.flowing(self.fast)
        a.kill()
        self.assertEqual(source.wait(), NO)
        for sink in sinks:
            self.check_kept(sink)

    def test_sigterm_at_the_node_of_a_source(self):
        (a, _, _), source, sinks = self.flowing(self.steady)
        start = time.monotonic()
        self.assertEqual(a.stop(), DONE)
        self.assertLess(time.monotonic() - start, 8.5)
        rows = self.report(source)
        for number_, sink in zip((2, 3), sinks):
            self.assertLessEqual(rows[number_]["confirmed"], len(self.check_kept(sink)))

    def test_sigterm_at_the_node_of_a_sink(self):
        (_, b, _), source, sinks = self.flowing(self.steady)
        start = time.monotonic()
        self.assertEqual(b.stop(), DONE)
        self.assertLess(time.monotonic() - start, 8.5)
        self.enough.set()
        self.assertEqual(source.wait(), DONE, source.said())
        for sink in sinks:
            self.assertEqual(sink.wait(), DONE, sink.said())
        kept = [line for sink in sinks for line in sink.lines()]
        self.assertEqual(len(kept), json.loads(source.out())["confirmed"])
        self.assertEqual(len(set(kept)), len(kept))

    def test_a_node_that_stays_stopped_is_given_up(self):
        (_, b, _), source, (stopped, kept) = self.flowing(self.fast)
        b.signal(signal.SIGSTOP)
        start = time.monotonic()
        rows = self.report(source)
        print(f"    the source knows: {time.monotonic() - start:.2f} s", flush=True)
        self.assertIn("node 2", source.said())
        self.assertLessEqual(rows[3]["confirmed"], len(self.check_kept(kept)))
        b.signal(signal.SIGCONT)
        start = time.monotonic()
        self.assertEqual(stopped.wait(), NO)
        self.assertLess(time.monotonic() - start, 15, "it is told when it wakes up")
        self.assertIn("node 2 was taken for dead", stopped.said())
        self.assertLessEqual(rows[2]["confirmed"], len(stopped.lines()))


class Chance(Shared):
    """Random runs of a few sources and sinks, one of which may be ended."""

    ROUNDS = 16

    def test_whatever_ends_nothing_comes_twice_and_success_is_true(self):
        chance = seeded()
        for i in range(self.ROUNDS):
            self.one_round(chance, f"chance-{i}")

    def one_round(self, chance, stage):
        on = chance.sample(self.nodes, chance.randint(1, 3))
        count = chance.randint(1, 3)
        lines = [[b"%d %d" % (s, i) for i in range(chance.choice((0, 10, 40000, 200000, 200000)))]
                 for s in range(count)]
        sinks = {n.number: self.recv(n, "--sources", str(count), stage=stage) for n in on}
        sources = [
            self.source(chance.choice(self.nodes), "--sinks", str(len(on)),
                        "--timeout", "4s", "-o", "json", stage=stage)
            for _ in range(count)
        ]
        feeders = [threading.Thread(target=self.feed_slowly, args=(source.stdin, part))
                   for source, part in zip(sources, lines)]
        for feeder in feeders:
            feeder.start()
        time.sleep(chance.uniform(0.1, 0.6))
        fault = chance.choice(("none", "none", "source", "sink", "interrupt"))
        if fault == "sink":
            chance.choice(list(sinks.values())).process.kill()
        elif fault != "none":
            chance.choice(sources).process.send_signal(
                signal.SIGKILL if fault == "source" else signal.SIGINT)
        codes = [source.wait() for source in sources]
        self.end_late(sinks.values())
        for feeder in feeders:
            feeder.join()
        print(f"    {count} to {sorted(sinks)}, ended: {fault}; {codes}", flush=True)
        self.check_round(fault, sources, lines, sinks)

    @staticmethod
    def feed_slowly(stdin, lines):
        with contextlib.suppress(BrokenPipeError, ValueError):
            for i in range(0, len(lines), 4000):
                stdin.write(joined(lines[i:i + 4000]))
                time.sleep(0.02)
            stdin.close()

    @staticmethod
    def end_late(sinks):
        """A sink whose last source never came is waiting for it still."""
        deadline = time.monotonic() + 8
        for sink in sinks:
            with contextlib.suppress(subprocess.TimeoutExpired):
                sink.wait(max(0.1, deadline - time.monotonic()))
            sink.end()

    def check_round(self, fault, sources, lines, sinks):
        came = {number_: self.whole_lines(sink) for number_, sink in sinks.items()}
        for s, (source, part) in enumerate(zip(sources, lines)):
            prefix = b"%d " % s
            of_source = {k: [x for x in v if x.startswith(prefix)] for k, v in came.items()}
            for kept in of_source.values():
                order = [int(line.split()[1]) for line in kept]
                self.assertEqual(order, sorted(set(order)))
            together = sum(map(len, of_source.values()))
            self.assertEqual(len(set().union(*of_source.values())), together)
            code = source.process.returncode
            if code == DONE:
                self.assertEqual(together, len(part))
            if code in (DONE, NO):
                for row in json.loads(source.out())["sinks"]:
                    self.assertLessEqual(row["confirmed"], len(of_source[int(row["node"])]))
        if fault == "none":
            self.assertEqual({p.process.returncode for p in (*sources, *sinks.values())}, {DONE})

    @staticmethod
    def whole_lines(sink):
        return lines_of(sink.out())


class Crosswise(ClusterTest, Stories):
    def pipe(self, node, takes, gives):
        """`recv takes | cat | send gives` on one node."""
        middle = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(middle.wait)
        receiver = self.recv(node, stage=takes, stdout=middle.stdin)
        middle.stdin.close()
        sender = self.source(node, stage=gives, stdin=middle.stdout)
        middle.stdout.close()
        return receiver, sender

    def test_two_pairs_of_stages_run_crosswise(self):
        a, b = self.cluster.start(2, **{"shuffle.window": "256KiB"}, **FAST)
        pipes = self.pipe(a, "a", "b") + self.pipe(b, "c", "d")
        ends = {"b": self.recv(b, stage="b"), "d": self.recv(a, stage="d")}
        lines = {
            "a": [b"a%08d" % i + b"x" * 90 for i in range(80000)],
            "c": [b"c%08d" % i + b"y" * 90 for i in range(80000)],
        }
        starts = {"a": self.source(b, stage="a"), "c": self.source(a, stage="c")}
        for stage, source in starts.items():
            threading.Thread(target=EveryLineOnce.feed, args=(source, lines[stage])).start()
        for program in [*starts.values(), *pipes, *ends.values()]:
            self.assertEqual(program.wait(90), DONE, program.said())
        self.assertEqual(ends["b"].lines(), lines["a"])
        self.assertEqual(ends["d"].lines(), lines["c"])


if __name__ == "__main__":
    unittest.main(verbosity=0)
