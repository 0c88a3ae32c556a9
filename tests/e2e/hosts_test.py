"""Nodes on hosts of their own: cables that are cut and mended.

Each host is a network namespace with one address; a hub, a namespace too, joins
them by a bridge. Nothing of this is seen outside, and all of it goes with the
namespaces. That takes root and iproute2; elsewhere the test is skipped, and says
so.
"""

import os
import re
import shutil
import subprocess
import sys
import unittest

from cluster import ClusterTest, agree, wait_until

COUNTS = re.compile(r"(\d+) of (\d+) records not confirmed")
NAME = f"weft{os.getpid()}"


def ip(*args, where=None):
    command = ["ip", *(["-n", where] if where else []), *args]
    subprocess.run(command, check=True, capture_output=True, timeout=20)


def may_make_hosts():
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    probe = f"{NAME}-probe"
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True, check=False).returncode:
        return False
    ip("netns", "del", probe)
    return True


class Hosts:
    """Hosts 1 to `count` at 10.77.0.1 and so on, each with a cable to the hub."""

    def __init__(self, count):
        self.hub = f"{NAME}-hub"
        self.names = []
        ip("netns", "add", self.hub)
        ip("link", "add", "bridge", "type", "bridge", where=self.hub)
        ip("link", "set", "bridge", "up", where=self.hub)
        for i in range(1, count + 1):
            self.add(i)

    def add(self, i):
        name = f"{NAME}-{i}"
        ip("netns", "add", name)
        self.names.append(name)
        ip("link", "add", f"port{i}", "type", "veth", "peer", "name", "eth0", where=self.hub)
        ip("link", "set", "eth0", "netns", name, where=self.hub)
        ip("link", "set", f"port{i}", "master", "bridge", where=self.hub)
        ip("link", "set", f"port{i}", "up", where=self.hub)
        ip("addr", "add", f"10.77.0.{i}/24", "dev", "eth0", where=name)
        ip("link", "set", "eth0", "up", where=name)
        ip("link", "set", "lo", "up", where=name)

    def cut(self, i):
        ip("link", "set", f"port{i}", "nomaster", where=self.hub)

    def mend(self, i):
        ip("link", "set", f"port{i}", "master", "bridge", where=self.hub)

    def close(self):
        for name in [*self.names, self.hub]:
            ip("netns", "del", name)


class Cables(ClusterTest):
    def setUp(self):
        super().setUp()
        self.hosts = Hosts(3)
        self.addCleanup(self.hosts.close)
        self.addCleanup(lambda: [n.end() for n in self.cluster.nodes])
        self.nodes = [self.node(i) for i in (1, 2, 3)]
        agree(self.nodes, [1, 2, 3])

    def node(self, i):
        """A node that finds out by itself where others reach it."""
        return self.cluster.node(
            i,
            launcher=["ip", "netns", "exec", self.hosts.names[i - 1]],
            seeds=["10.77.0.1:7741", "10.77.0.2:7741"],
            **{
                "gossip.bind": "0.0.0.0:7741",
                "shuffle.bind": "0.0.0.0:7742",
                "security.insecure": "yes",
                "shuffle.connect_timeout": "1s",
                "shuffle.peer_timeout": "5s",
            },
        ).start()

    def all_confirmed(self, node, records):
        info = node.info()
        return sum(s["records_in"] for s in info["stages"]) == records and not any(
            peer["unconfirmed_records"] for peer in info["shuffle"]["peers"]
        )

    def test_each_finds_its_own_address(self):
        for m in self.nodes[0].members().values():
            self.assertEqual(m["gossip_addr"], f"10.77.0.{m['id']}:7741")
            self.assertEqual(m["shuffle_addr"], f"10.77.0.{m['id']}:7742")

    def test_a_cut_cable_divides_and_a_mended_one_heals(self):
        a, b, c = self.nodes
        self.hosts.cut(3)
        agree([a, b], [1, 2])
        agree([c], [3])
        a.run("kv", "set", "written", "apart")
        self.hosts.mend(3)
        agree(self.nodes, [1, 2, 3])
        wait_until("what was written apart arrives", lambda: c.get("written", 1) == "apart")

    def test_a_source_is_told_of_a_sink_behind_a_cut_cable(self):
        """A thousand records are confirmed, then as many are lost on the way."""
        a, b, c = self.nodes
        sinks = [n.spawn("recv", "words", stdout=subprocess.DEVNULL) for n in (b, c)]
        wait_until(
            "both sinks are known",
            lambda: all("words" in (a.get("weft:sinks", i) or "") for i in (2, 3)),
        )
        source = a.spawn("send", "words", "--sinks", "2", stdin=subprocess.PIPE)
        source.stdin.write(b"".join(b"%d\n" % i for i in range(1000)))
        source.stdin.flush()
        wait_until("they are confirmed", lambda: self.all_confirmed(a, 1000))
        self.hosts.cut(3)
        source.stdin.write(b"".join(b"%d\n" % i for i in range(1000)))
        source.stdin.close()
        source.stdin = None
        _, said = source.communicate(timeout=60)
        self.assertEqual(source.returncode, 1, said)
        self.assertIn(b"node 3", said)
        lost, sent = COUNTS.search(said.decode().replace(",", "")).groups()
        self.assertEqual(2 * int(lost), int(sent))
        # Node 2 had its part whole; node 3's ends with the source's conviction.
        self.assertEqual([sink.wait(60) for sink in sinks], [0, 1])
        for sink in sinks:
            sink.stderr.close()


if __name__ == "__main__":
    if not may_make_hosts():
        print("skipped: needs root and iproute2 to make network namespaces")
        sys.exit(77)
    unittest.main(verbosity=0)
