"""A mixed-up operator: one clear sentence and the right exit code each."""

import os
import resource
import socket
import subprocess
import time
import unittest

from cluster import WEFT, ClusterTest, wait_until

OK, NO, USAGE, NO_NODE, TIMED_OUT, CONFIG = 0, 1, 2, 3, 5, 78


def weft(*args, env=None, **kwargs):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WEFT_")}
    environment.update(env or {})
    return subprocess.run(
        [WEFT, *args],
        capture_output=True,
        timeout=30,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environment,
        **kwargs,
    )


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class MixedUpOperator(ClusterTest):
    def refused(self, code, words, *args, env=None):
        """Exits with `code` and says one sentence with all of `words`."""
        result = weft(*args, env=env)
        said = result.stderr.decode() + result.stdout.decode()
        self.assertEqual(result.returncode, code, said)
        for word in words:
            self.assertIn(word, said)
        return said

    def file(self, text):
        path = os.path.join(self.cluster.dir, "weft.ini")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def test_a_wrong_key_names_the_nearest(self):
        path = self.file("[gossip]\nintervall = 1s\n")
        self.refused(CONFIG, [f"{path}:2", "intervall", "interval"], "check-config", path)
        self.refused(CONFIG, ["intervall"], "run", "-c", path)

    def test_a_wrong_value_gives_the_bound(self):
        self.refused(CONFIG, ["gossip.interval", "5y"], "run", "-s", "gossip.interval=5y")

    def test_every_mistake_in_a_file_is_told(self):
        path = self.file("[gossip]\ninterval = 0\nfanout = none\n[nodes]\nid = 1\n")
        self.refused(CONFIG, [f"{path}:2", f"{path}:3", f"{path}:4"], "check-config", path)

    def test_an_unreadable_file(self):
        self.refused(CONFIG, ["/nowhere/weft.ini"], "run", "-c", "/nowhere/weft.ini")

    def test_an_open_port_without_a_key(self):
        self.refused(
            CONFIG, ["insecure", "0.0.0.0"], "run", "-s", "gossip.bind=0.0.0.0:0"
        )

    def test_an_unknown_variable(self):
        self.refused(
            CONFIG,
            ["WEFT_GOSSIP_INTERVALL", "WEFT_GOSSIP_INTERVAL"],
            "check-config",
            env={"WEFT_GOSSIP_INTERVALL": "1s"},
        )

    def test_a_verb_that_does_not_exist(self):
        self.refused(USAGE, ["member", "members"], "member")

    def test_no_node_at_the_socket(self):
        path = os.path.join(self.cluster.dir, "none")
        for verb in (["members"], ["info"], ["kv", "get", "a"], ["send", "words"], ["recv", "words"]):
            self.refused(NO_NODE, [path], *verb, "-S", path)

    def test_a_port_in_use(self):
        taken = socket.socket()
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        addr = f"127.0.0.1:{taken.getsockname()[1]}"
        node = self.cluster.node(1, **{"shuffle.bind": addr}).start(wait=False)
        self.assertEqual(node.process.wait(20), NO)
        self.assertIn(f"shuffle.bind: cannot listen on TCP {addr}", node.log())
        self.assertIn("in use", node.log())

    def test_something_else_at_the_socket_path(self):
        path = os.path.join(self.cluster.dir, "file")
        with open(path, "w", encoding="ascii"):
            pass
        node = self.cluster.node(1, **{"node.socket": path}).start(wait=False)
        self.assertEqual(node.process.wait(20), NO)
        self.assertIn("something else than a socket", node.log())
        self.assertTrue(os.path.exists(path))

    def test_a_seed_that_does_not_resolve_ends_nothing(self):
        node = self.cluster.node(1, seeds=["no-such-host.invalid:7741"]).start()
        wait_until("it is told", lambda: "no-such-host.invalid" in node.log())
        self.assertEqual(node.run("info").returncode, OK)

    def test_a_second_node_with_our_id(self):
        first = self.cluster.node(1).start()
        second = self.cluster.node(1, seeds=[first.gossip_addr()]).start(wait=False)
        self.assertEqual(second.process.wait(60), NO)
        self.assertIn("set [node] id", second.log())
        self.assertIn(first.gossip_addr(), second.log())
        wait_until("the first is well again", lambda: first.run("health").returncode == OK)

    def test_a_socket_that_another_node_has(self):
        first = self.cluster.node(1).start()
        second = self.cluster.node(2, **{"node.socket": first.socket}).start(wait=False)
        self.assertEqual(second.process.wait(20), NO)
        self.assertIn(first.socket, second.log())
        self.assertEqual(first.run("info").returncode, OK)

    def test_keys_that_are_refused(self):
        node = self.cluster.node(1).start()
        for key, value, word in (
            ("k" * 256, "v", "255"),
            ("", "v", "empty"),
            ("big", "v" * 8193, "max_value"),
            ("shuffle:addr", "v", "shuffle:"),
            ("weft:sinks", "v", "weft:"),
        ):
            result = node.run("kv", "set", key, value)
            self.assertEqual(result.returncode, NO, (key, result))
            self.assertIn(word, result.stderr.decode())

    def shell(self, node, command):
        """What a shell makes of `command`, in which weft asks `node`."""
        return subprocess.run(
            ["sh", "-c", command],
            capture_output=True,
            timeout=30,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "weft": WEFT, "WEFT_NODE_SOCKET": node.socket},
        )

    def test_standard_files_that_are_closed_or_full(self):
        node = self.cluster.node(1).start()
        for command, code, sentence in (
            ("members >&-", NO, "cannot write to standard output: Bad file descriptor"),
            ("members >/dev/full", NO, "cannot write to standard output: No space left"),
            ("kv watch >/dev/full", NO, "cannot write to standard output: No space left"),
            ("version >/dev/full", NO, "cannot write to standard output: No space left"),
            ("send words <&-", NO, "cannot read standard input: Bad file descriptor"),
            ("health >/dev/null 2>&-", OK, ""),
            ("check-config /nowhere 2>&-", CONFIG, ""),
        ):
            with self.subTest(command):
                result = self.shell(node, f"$weft {command}")
                self.assertEqual(result.returncode, code, result)
                self.assertIn(sentence, result.stderr.decode())

    def test_a_sink_without_a_standard_output(self):
        node = self.cluster.node(1).start()
        result = self.shell(
            node, "seq 10 | $weft send words --timeout 20s 2>/dev/null & $weft recv words >&-"
        )
        self.assertEqual(result.returncode, NO, result)
        self.assertIn("cannot write to standard output", result.stderr.decode())

    def test_a_directory_has_no_lines(self):
        node = self.cluster.node(1).start()
        for command in (f"send words {self.cluster.dir}", f"send words <{self.cluster.dir}"):
            with self.subTest(command):
                result = self.shell(node, f"$weft {command}")
                self.assertEqual(result.returncode, NO, result)
                self.assertIn("Is a directory", result.stderr.decode())

    def test_words_that_are_no_command_line(self):
        for args, sentence in (
            (["send", "a b"], '"a b" is no name for a stage'),
            (["send", "words", "--sinks", "0"], '--sinks takes a number from 1 to'),
            (["send", "words", "--delimiter", ","], "only together with --key-field"),
            (["send", "laminar", "--raw"], "--raw needs --to ID"),
            (["recv", "words", "--sources", "2", "--follow"], "exclude each other"),
            (["members", "--timeout", "0"], "--timeout takes a duration like 250ms"),
            (["members", "--timeout", "-5s"], 'and "-5s" is none'),
            (["members", "-o", "xml"], '--output is text or json, and not "xml"'),
            (["members", "--quiet=yes"], '--quiet takes no value, and got "yes"'),
            (["members", "--", "--wait"], '"--wait" is one argument too many'),
            (["kv", "ls", "--dead"], "only together with --all"),
            (["kv", "get", "a", "--node", "b"], '--node takes a number from 1 to'),
        ):
            with self.subTest(args):
                self.refused(USAGE, [sentence], *args)

    def test_what_does_not_come_in_time(self):
        node = self.cluster.node(1).start()
        for args, sentence in (
            (["members", "--wait", "2"], "too few members are live and active: 200ms has passed"),
            (["kv", "watch", "no-such-key"], "the watch has ended: 200ms has passed"),
            (["recv", "words"], "no source of words has come in time"),
            (["send", "words"], "waits for a sink of words: no node has one"),
        ):
            with self.subTest(args):
                result = node.run(*args, "--timeout", "200ms")
                self.assertEqual(result.returncode, TIMED_OUT, result)
                self.assertIn(sentence, result.stderr.decode())

    def test_a_data_dir_in_use(self):
        kept = os.path.join(self.cluster.dir, "kept")
        first = self.cluster.node(1, **{"node.data_dir": kept}).start()
        second = self.cluster.node(2, **{"node.data_dir": kept}).start(wait=False)
        self.assertEqual(second.process.wait(20), NO)
        self.assertIn("data_dir", second.log())
        first.stop()

    def test_too_few_descriptors_to_start(self):
        for limit in (8, 10):
            result = weft(
                "run",
                *("-s", f"node.socket={self.cluster.dir}/s"),
                *("-s", "gossip.bind=127.0.0.1:0", "-s", "shuffle.bind=127.0.0.1:0"),
                preexec_fn=lambda n=limit: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n)),
            )
            self.assertEqual(result.returncode, NO, result)
            self.assertIn("too many open files", result.stderr.decode().lower())

    def test_a_node_out_of_descriptors_waits_and_goes_on(self):
        node = self.cluster.node(1).start()
        resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE, (20, 20))
        programs = []
        for _ in range(30):
            programs.append(socket.socket(socket.AF_UNIX))
            self.addCleanup(programs[-1].close)
            programs[-1].connect(node.socket)
        before = cpu_seconds(node.process.pid)
        time.sleep(1)
        self.assertLess(cpu_seconds(node.process.pid) - before, 0.5)
        for program in programs:
            program.close()
        wait_until("it answers", lambda: node.run("health").returncode == OK)


if __name__ == "__main__":
    unittest.main(verbosity=0)
