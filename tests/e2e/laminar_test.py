"""A peer that has not greeted: it gets tags 02, 04, 05 and FF and nothing else,
and on what it opened to us, never a byte goes back. Both directions are
recorded here, byte for byte, by a LaminarDB peer of paper."""

import contextlib
import os
import re
import socket
import struct
import subprocess
import threading
import time
import unittest

from cluster import ClusterTest, wait_until

PEER = 42
HELLO, VNODE_DATA, CLOSE = 0x04, 0x05, 0xFF


def frame(tag, payload=b""):
    return struct.pack(">IB", 1 + len(payload), tag) + payload


def hello(node_id):
    return frame(HELLO, struct.pack("<Q", node_id))


def arrow(body):
    """What begins like an Arrow stream: that is all that is looked at."""
    return struct.pack("<II", 0xFFFFFFFF, 8) + b"metadata" + body


def raw_out(vnode, body):
    """What `send laminar --raw` reads."""
    return struct.pack("<II", vnode, len(body)) + body


def raw_in(peer, vnode, body):
    """What `recv laminar --raw` writes."""
    return struct.pack("<QII", peer, vnode, len(body)) + body


def frames(data):
    found = []
    while data:
        (length, tag) = struct.unpack_from(">IB", data)
        found.append((tag, data[5:4 + length]))
        data = data[4 + length:]
    return found


def feed(pipe, data):
    with contextlib.suppress(OSError), pipe:
        pipe.write(data)


class Listener:
    """Accepts, reads for ever, and keeps every byte."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addr = f"127.0.0.1:{self.server.getsockname()[1]}"
        self.data = b""
        self.ended = False
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            s, _ = self.server.accept()
            with s:
                while data := s.recv(65536):
                    self.data += data
                self.ended = True

    def close(self):
        self.server.close()


class PeerOfPaper(ClusterTest):
    def start(self, **settings):
        listener = Listener()
        self.addCleanup(listener.close)
        settings["shuffle.peer"] = f"{PEER}@{listener.addr}"
        return self.cluster.node(1, **settings).start(), listener

    def connect(self, node):
        host, port = node.info()["shuffle"]["addr"].rsplit(":", 1)
        s = socket.create_connection((host, int(port)))
        self.addCleanup(s.close)
        return s

    def recv(self, node):
        path = os.path.join(self.cluster.dir, f"raw{len(os.listdir(self.cluster.dir))}")
        with open(path, "wb") as out:
            program = node.spawn("recv", "laminar", "--raw", "--follow", stdout=out)
        self.addCleanup(program.stderr.close)
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        return path

    @staticmethod
    def size(path):
        return os.stat(path).st_size

    @staticmethod
    def bytes_of(path):
        with open(path, "rb") as f:
            return f.read()

    def silent(self, s, seconds):
        """Nothing comes back; a Weft peer would have pinged meanwhile."""
        s.settimeout(seconds)
        with self.assertRaises(TimeoutError):
            print(s.recv(1))

    def test_what_goes_to_it(self):
        node, listener = self.start()
        bodies = [arrow(b"x" * n) for n in (0, 100, 70000)]
        data = b"".join(raw_out(i, body) for i, body in enumerate(bodies))
        result = node.run("send", "laminar", "--raw", "--to", str(PEER), input=data)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        expected = hello(1) + b"".join(
            frame(VNODE_DATA, struct.pack("<I", i) + body) for i, body in enumerate(bodies)
        )
        wait_until("all of it is there", lambda: len(listener.data) >= len(expected))
        time.sleep(3)
        self.assertEqual(listener.data, expected)
        self.assertEqual(node.stop(), 0)
        wait_until("it is closed", lambda: listener.ended)
        after = frames(listener.data[len(expected):])
        self.assertLessEqual({tag for tag, _ in after}, {CLOSE})

    def test_what_comes_from_it_and_that_nothing_goes_back(self):
        node, _ = self.start()
        path = self.recv(node)
        s = self.connect(node)
        s.sendall(hello(PEER))
        bodies = [arrow(b"y" * n) for n in (0, 5, 100000)]
        for i, body in enumerate(bodies):
            s.sendall(frame(VNODE_DATA, struct.pack("<I", 7 + i) + body))
        expected = b"".join(raw_in(PEER, 7 + i, body) for i, body in enumerate(bodies))
        wait_until("the sink has it", lambda: self.size(path) == len(expected))
        self.assertEqual(self.bytes_of(path), expected)
        self.silent(s, 3)
        s.sendall(frame(0x7F, b"no such tag"))
        s.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            self.assertEqual(s.recv(1), b"")
        self.assertEqual(node.info()["shuffle"]["dropped"]["tag"], 1)

    def test_without_a_sink_it_is_left_unread(self):
        node, _ = self.start()
        s = self.connect(node)
        s.sendall(hello(PEER))
        body = arrow(b"z" * 60000)
        whole = frame(VNODE_DATA, struct.pack("<I", 3) + body)
        s.settimeout(1.0)
        pushed = 0
        with self.assertRaises(TimeoutError):
            while pushed < 1000:
                s.sendall(whole)
                pushed += 1
        print(f"    {pushed * len(whole) >> 10} KiB went into the pipe", flush=True)
        info = node.info()
        self.assertLess(info["memory"]["queued_bytes"], 48 << 20)
        self.assertIn("unread", [peer["state"] for peer in info["shuffle"]["peers"]])
        path = self.recv(node)
        one = raw_in(PEER, 3, body)
        wait_until("the sink has all of it", lambda: self.size(path) >= pushed * len(one))
        self.assertEqual(self.bytes_of(path)[:pushed * len(one)], pushed * one)

    def test_the_largest_frame_comes_with_the_default_memory(self):
        node, _ = self.start()
        path = self.recv(node)
        s = self.connect(node)
        body = arrow(b"w" * ((64 << 20) - 4 - 16))
        s.sendall(hello(PEER) + frame(VNODE_DATA, struct.pack("<I", 3) + body))
        expected = raw_in(PEER, 3, body)
        wait_until("the sink has it", lambda: self.size(path) == len(expected))
        self.assertTrue(self.bytes_of(path) == expected)

    def test_a_connection_that_breaks_leaves_a_range(self):
        """The peer reads a little, and is gone with the rest unread."""
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        addr = f"127.0.0.1:{server.getsockname()[1]}"
        node = self.cluster.node(1, **{"shuffle.peer": f"{PEER}@{addr}"}).start()
        program = node.spawn("send", "laminar", "--raw", "--to", str(PEER),
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        data = raw_out(3, arrow(b"v" * 60000)) * 1000
        threading.Thread(target=feed, args=(program.stdin, data), daemon=True).start()
        s, _ = server.accept()
        read = len(s.recv(1 << 20))
        wait_until("the node's queue is full", lambda: any(
            peer["queued_bytes"] > 2 << 20 for peer in node.info()["shuffle"]["peers"]))
        s.close()
        text = program.stderr.read().decode()
        program.stdout.close()
        program.stderr.close()
        self.assertEqual(program.wait(), 1)
        said = re.search(r"between ([\d,]+) and ([\d,]+) frames may be lost; "
                         r"its system had acknowledged ([\d,]+) of them", text)
        self.assertIsNotNone(said, text)
        least, most, acknowledged = (int(n.replace(",", "")) for n in said.groups())
        print(f"    {said.group(0)}", flush=True)
        self.assertGreater(least, (2 << 20) // 60100 - 1)
        self.assertLessEqual(least, most - read // 60100)
        self.assertLessEqual(acknowledged, most - least)

    def test_a_peer_that_is_not_known(self):
        node, _ = self.start()
        result = node.run("send", "laminar", "--raw", "--to", "43",
                          input=raw_out(0, arrow(b"")))
        self.assertEqual(result.returncode, 1)
        self.assertIn("43", result.stderr.decode())

    def test_a_peer_that_does_not_answer(self):
        node, listener = self.start(**{"shuffle.connect_timeout": "1s"})
        listener.server.shutdown(socket.SHUT_RDWR)
        listener.close()
        start = time.monotonic()
        result = node.run("send", "laminar", "--raw", "--to", str(PEER),
                          input=raw_out(0, arrow(b"")))
        print(f"    refused after {time.monotonic() - start:.2f} s", flush=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn("42", result.stderr.decode())


if __name__ == "__main__":
    unittest.main(verbosity=0)
