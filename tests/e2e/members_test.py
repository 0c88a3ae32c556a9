"""Who is here: nodes that join, die, are stopped, go on, and come back."""

import signal
import unittest

from cluster import ClusterTest, agree, wait_until


class Members(ClusterTest):
    def test_three_nodes_find_each_other(self):
        a, b, c = self.cluster.start(3)
        for node in (a, b, c):
            members = node.members()
            self.assertEqual(sorted(members), ["1", "2", "3"])
            self.assertEqual([m for m in members.values() if m["self"]][0]["id"], str(node.number))
            for m in members.values():
                self.assertEqual(m["name"], "n" + m["id"])
                self.assertIsNotNone(m["shuffle_addr"])
            self.assertEqual(node.run("health").returncode, 0)
        self.assertEqual(a.run("members", "--wait", "3").returncode, 0)
        self.assertEqual(a.run("members", "--wait", "4", "--timeout", "300ms").returncode, 5)

    def test_keys_reach_everybody_and_go(self):
        nodes = self.cluster.start(3)
        a, b, c = nodes
        self.assertEqual(a.run("kv", "set", "colour", "madder").returncode, 0)
        wait_until("b and c read it", lambda: b.get("colour", 1) == c.get("colour", 1) == "madder")
        self.assertEqual(b.run("kv", "set", "empty", "").returncode, 0)
        wait_until("an empty value arrives", lambda: a.get("empty", 2) == "")
        self.assertEqual(a.run("kv", "del", "colour").returncode, 0)
        wait_until("it is gone", lambda: b.get("colour", 1) is None and c.get("colour", 1) is None)
        self.assertEqual(a.run("kv", "del", "colour").returncode, 1)

    def test_watch_tells_what_is_there_and_what_changes(self):
        a, b = self.cluster.start(2)
        a.run("kv", "set", "w/1", "x")
        wait_until("b has it", lambda: b.get("w/1", 1) == "x")
        watch = b.spawn("kv", "watch", "w/", "--count", "3")
        self.assertIn(b'"w/1"', watch.stdout.readline())
        a.run("kv", "set", "w/2", "y")
        self.assertIn(b'"y"', watch.stdout.readline())
        a.run("kv", "del", "w/2")
        self.assertIn(b"null", watch.stdout.readline())
        self.assertEqual(watch.wait(10), 0)
        watch.stdout.close()
        watch.stderr.close()

    def test_a_killed_node_is_missed_and_its_return_is_seen(self):
        a, b, c = self.cluster.start(3)
        before = int(a.members()["3"]["generation"])
        c.kill()
        agree([a, b], [1, 2])
        again = self.cluster.node(3, seeds=[a.gossip_addr()]).start()
        agree([a, b, again], [1, 2, 3])
        self.assertGreater(int(a.members()["3"]["generation"]), before)
        self.assertEqual(len(a.json("members")), 3)

    def test_a_stopped_node_is_missed_and_goes_on(self):
        a, b, c = self.cluster.start(3)
        c.signal(signal.SIGSTOP)
        agree([a, b], [1, 2])
        c.signal(signal.SIGCONT)
        agree([a, b, c], [1, 2, 3])

    def test_a_node_leaves_with_a_word(self):
        a, b, c = self.cluster.start(3)
        self.assertEqual(c.run("leave").returncode, 0)
        self.assertEqual(c.process.wait(10), 0)
        wait_until("its word arrived", lambda: a.members()["3"]["state"] == "left")
        agree([a, b], [1, 2])
        self.assertEqual(b.stop(), 0)

    def test_another_cluster_is_not_joined(self):
        a = self.cluster.node(1).start()
        b = self.cluster.node(2, **{"cluster.name": "other"}).start()
        wait_until(
            "the stranger was counted",
            lambda: sum(a.info()["gossip"]["dropped"].values()) > 0,
        )
        self.assertEqual(a.live(), [1])
        self.assertNotIn("1", b.members())


if __name__ == "__main__":
    unittest.main(verbosity=0)
