"""Strangers: 100,000 random and mutated datagrams and frames, and connections
that say nothing, half of something, or far too much, against one node of three.

It stays up, its memory does not grow beyond its settings, its peers keep it
alive, its streams go on, and it says what it dropped and why. All chance comes
from one seed, printed first; WEFT_SEED repeats it. The valid messages that are
mutated come from a node of another life, so that nobody is impersonated: what
strangers can say in another's name, only sealing can prevent.
"""

import contextlib
import os
import random
import socket
import struct
import threading
import time
import unittest

from cluster import ClusterTest, agree, seeded, wait_until
from proxy import reset

DATAGRAMS = 92000
FRAMES = 8000
LINKS = 96  # at one time: below what one host may have
DONOR = 987654321987654321  # no mutation of its name is the name of a peer
STRANGER = 700000

SETTINGS = {
    "gossip.members_max": 256,
    "kv.max_remote": "4MiB",
    "shuffle.max_frame": "4MiB",
    "shuffle.memory_budget": "32MiB",
    "shuffle.connect_timeout": "1s",
}
# What the settings allow: the budget, others' keys, and the 16 MiB in which
# datagrams are decoded. A sanitizer's own memory comes on top.
BOUND_KIB = (32 + 4 + 16 + 12) * 1024
AGAIN_KIB = 8 * 1024  # a second storm of the same kind may add this much

HELLO, GREET, WELCOME = 0x04, 0x10, 0x11
TAGS = [0x02, 0x04, 0x05, 0x10, 0x11, 0x20, 0x21, 0x22, *range(0x30, 0x37), 0x80, 0xFF]


def addr_of(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def frame(tag, payload):
    return struct.pack(">IB", 1 + len(payload), tag) + payload


def hello(node_id):
    return frame(HELLO, struct.pack("<Q", node_id))


def greet(node_id, peer_id):
    return frame(GREET, struct.pack("<HHQQQQHI", 1, 1, node_id, 5, peer_id, 0, 1, 256)
                 + bytes([7]) + b"default")


def rss_kib(node):
    with open(f"/proc/{node.process.pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise AssertionError("no VmRSS")


class Chance(random.Random):
    def mutated(self, data):
        """One to four small changes."""
        data = bytearray(data)
        for _ in range(self.randint(1, 4)):
            at = self.randrange(len(data) + 1)
            kind = self.randrange(6)
            if kind == 0 and at < len(data):
                data[at] ^= 1 << self.randrange(8)
            elif kind == 1 and at < len(data):
                data[at] = self.choice((0, 1, 0x7F, 0x80, 0xFF, self.randrange(256)))
            elif kind == 2:
                data[at:at] = self.randbytes(self.randint(1, 9))
            elif kind == 3:
                del data[at:at + self.randint(1, 9)]
            elif kind == 4:
                del data[at:]
            else:
                part = data[at:at + self.randint(1, 64)]
                data[at:at] = part
        return bytes(data)

    def datagram(self, valid):
        if self.random() < 0.2:
            return self.randbytes(self.choice((0, 1, 3, 4, 9, 200, 1400, 9000)))
        if self.random() < 0.02:
            return self.choice(valid)
        return self.mutated(self.choice(valid))

    def frame(self):
        """A frame of a known tag with fields that may or may not fit."""
        payload = self.randbytes(self.choice((0, 1, 8, 12, 20, 21, 24, 36, 60, 300)))
        if self.random() < 0.5:
            payload = struct.pack("<I", self.randrange(3)) + payload
        whole = frame(self.choice(TAGS), payload)
        return self.mutated(whole) if self.random() < 0.5 else whole


class Hostile(ClusterTest):
    def setUp(self):
        super().setUp()
        self.chance = seeded(Chance)
        self.nodes = self.cluster.start(3, **SETTINGS)
        self.a, self.b, self.c = self.nodes
        self.gossip = addr_of(self.b.gossip_addr())
        self.shuffle = addr_of(self.b.info()["shuffle"]["addr"])
        self.watching = True
        self.not_alive = []
        self.watcher = threading.Thread(target=self.watch)
        self.watcher.start()
        self.addCleanup(self.end_watch)

    def watch(self):
        """The peers' opinion of the node, all the time."""
        while self.watching:
            for node in (self.a, self.c):
                m = node.members()["2"]
                if not m["live"] or m["state"] != "active":
                    self.not_alive.append((node.number, m))
            time.sleep(0.2)

    def end_watch(self):
        self.watching = False
        self.watcher.join()

    def valid_messages(self):
        """A Syn, a SynAck and an Ack of a node that nobody else knows."""
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(udp.close)
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(10)
        own = f"127.0.0.1:{udp.getsockname()[1]}"
        donor = self.cluster.node(DONOR, seeds=[own], **SETTINGS).start()
        for i in range(40):
            donor.run("kv", "set", f"key-{i}", f"value {i} " * 8)
        syn = udp.recv(65536)
        target = addr_of(donor.gossip_addr())
        messages = [syn]
        for _ in range(2):  # its answers to its own words: SynAck, then Ack
            udp.sendto(messages[-1], target)
            kind = messages[-1][3]
            while True:
                message = udp.recv(65536)
                if message[3] == kind + 1:
                    break
            messages.append(message)
        donor.end()
        self.assertEqual([m[3] for m in messages], [0, 1, 2])
        return messages

    def storm(self, count, valid):
        """Datagrams, no faster than the node reads them."""
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        sent = 0
        for i in range(count):
            try:
                udp.sendto(self.chance.datagram(valid), self.gossip)
                sent += 1
            except BlockingIOError:
                time.sleep(0.001)
            if i % 48 == 47:
                time.sleep(0.002)
                self.forget_answers(udp)
        udp.close()
        return sent

    @staticmethod
    def forget_answers(udp):
        try:
            while True:
                udp.recv(65536)
        except BlockingIOError:
            pass

    def connect(self):
        s = socket.create_connection(self.shuffle, timeout=5)
        s.settimeout(0.5)
        return s

    def frames(self, count):
        """Frames behind a beginning that is right, or nearly."""
        sent = 0
        while sent < count:
            with self.connect() as s:
                node_id = STRANGER + self.chance.randrange(50)
                begin = self.chance.random()
                try:
                    if begin < 0.85:
                        s.sendall(hello(node_id))
                    if begin < 0.7:
                        s.sendall(greet(node_id, 2 if begin < 0.6 else 3))
                        s.recv(4096)
                    for _ in range(self.chance.randint(1, 12)):
                        s.sendall(self.chance.frame())
                        sent += 1
                except OSError:
                    sent += 1  # it has hung up: so be it
                if self.chance.random() < 0.3:
                    reset(s)
        return sent

    def silent_ones(self):
        """Connections that say nothing, half of something, or far too much."""
        beginnings = [
            b"",
            b"\0\0",
            hello(STRANGER)[:9],
            hello(STRANGER),
            hello(STRANGER + 1) + greet(STRANGER + 1, 2)[:20],
            struct.pack(">IB", 0xFFFFFFFF, 0x05),
            struct.pack(">IB", 0, 0x05),
            hello(STRANGER + 2) + struct.pack(">IB", 4 * 1024 * 1024, 0x05) + b"\0" * 100,
            hello(STRANGER + 3) + greet(STRANGER + 3, 2) + struct.pack(">IB", 2**20, 0x32),
        ]
        held = []
        for i in range(LINKS - 24):
            s = self.connect()
            self.addCleanup(s.close)
            with contextlib.suppress(OSError):
                s.sendall(beginnings[i % len(beginnings)])
            held.append(s)
        return held

    def dropped(self, part):
        return {k: v for k, v in self.b.info()[part]["dropped"].items() if v > 0}

    def received(self):
        return self.b.info()["gossip"]["received"]["packets"]

    def carry(self, count):
        """Lines through the node while strangers are at it."""
        path = os.path.join(self.cluster.dir, "lines")
        with open(path, "wb") as out:
            sink = self.b.spawn("recv", "lines", stdout=out)
        self.addCleanup(self.end_program, sink)
        lines = b"".join(b"line %d\n" % i for i in range(count))
        result = self.a.run("send", "lines", input=lines, timeout=60)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual((sink.wait(60), sink.stderr.read()), (0, b""))
        with open(path, "rb") as out:
            self.assertEqual(out.read(), lines)

    @staticmethod
    def end_program(program):
        program.kill()
        program.wait()
        program.stderr.close()

    def check_alive(self, rss_before, bound_kib):
        grown = rss_kib(self.b) - rss_before
        print(f"    memory: {rss_before} KiB, and {grown} KiB more", flush=True)
        self.assertIsNone(self.b.process.poll(), self.b.log())
        self.assertLess(grown, bound_kib)
        self.assertEqual(self.not_alive, [])
        self.assertEqual(self.b.run("health").returncode, 0)
        agree(self.nodes, [1, 2, 3])

    def test_a_hundred_thousand_datagrams_and_frames(self):
        valid = self.valid_messages()
        self.carry(1000)
        rss = rss_kib(self.b)
        before = self.received()
        sent = frames = 0
        for half in range(2):
            sent += self.storm(DATAGRAMS // 2, valid)
            frames += self.frames(FRAMES // 2)
            self.carry(1000)
            self.check_alive(rss, BOUND_KIB if half == 0 else AGAIN_KIB)
            rss = rss_kib(self.b)
        came = self.received() - before
        print(f"    {sent} datagrams sent, {came} read; {frames} frames", flush=True)
        self.assertGreater(came, DATAGRAMS * 9 // 10)
        gossip, shuffle = self.dropped("gossip"), self.dropped("shuffle")
        print(f"    gossip dropped {gossip}\n    shuffle dropped {shuffle}", flush=True)
        for reason in ("header", "magic", "version", "type", "digest", "foreign_cluster",
                       "block_zstd", "text", "address_family"):
            self.assertIn(reason, gossip)
        for reason in ("cut", "malformed", "tag", "place", "no_hello", "hello", "greet"):
            self.assertIn(reason, shuffle)
        self.assertGreater(sum(gossip.values()), came // 2)

    def test_connections_that_say_nothing_or_too_much(self):
        self.carry(1000)
        rss = rss_kib(self.b)
        held = self.silent_ones()
        self.carry(20000)
        self.check_alive(rss, BOUND_KIB)
        wait_until("the late ones are ended",
                   lambda: "hello_late" in self.dropped("shuffle"))
        wait_until("the reserved ones are ended",
                   lambda: "reserved" in self.dropped("shuffle"), timeout=30)
        self.carry(1000)
        for s in held:
            s.close()
        wait_until("all of them are gone",
                   lambda: self.b.info()["shuffle"]["connections"] <= 2, timeout=40)
        shuffle = self.dropped("shuffle")
        print(f"    shuffle dropped {shuffle}", flush=True)
        for reason in ("hello_late", "too_long", "empty", "reserved"):
            self.assertIn(reason, shuffle)
        wait_until("their memory is given back",
                   lambda: self.b.info()["memory"]["queued_bytes"] <= 24 * 1024 * 1024)


if __name__ == "__main__":
    unittest.main(verbosity=0)
