"""Real nodes for end-to-end tests: started, asked, hurt, and ended.

Every node runs on loopback with ports that the system picks, in a directory of
its own. Tests wait for a state, up to ten times what the design promises, and
print how long it took; only the simulator asserts a promise. Whatever a test
starts, `Cluster` ends, also when the test fails.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

WEFT = os.environ.get("WEFT", "build/release/weft")
INTERVAL_MS = 100
SEED = os.environ.pop("WEFT_SEED", None)  # ours: a node would refuse to know it
VERBOSE = True  # say how long each wait took


class Node:
    """One `weft run`, and the commands that a person would give it."""

    def __init__(self, cluster, number, **settings):
        self.number = number
        self.dir = os.path.join(cluster.dir, f"n{number}-{len(cluster.nodes)}")
        os.mkdir(self.dir)
        self.socket = os.path.join(self.dir, "s")
        self.log_path = os.path.join(self.dir, "log")
        self.settings = {
            "node.id": number,
            "node.name": f"n{number}",
            "node.socket": self.socket,
            "gossip.bind": "127.0.0.1:0",
            "gossip.interval": f"{INTERVAL_MS}ms",
            "shuffle.bind": "127.0.0.1:0",
            "log.format": "text",
        }
        seeds = settings.pop("seeds") if "seeds" in settings else cluster.seeds()
        self.launcher = settings.pop("launcher", [])  # what starts it elsewhere
        self.settings.update(settings)
        self.seeds = seeds
        self.process = None

    def start(self, wait=True):
        args = [*self.launcher, WEFT, "run"]
        for key, value in self.settings.items():
            args += ["-s", f"{key}={value}"]
        for seed in self.seeds:
            args += ["-s", f"cluster.seed={seed}"]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                args, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if wait:
            wait_until(f"node {self.number} answers", self.answers)
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(
                f"node {self.number} ended with {self.process.returncode}:\n{self.log()}"
            )
        return os.path.exists(self.socket) and self.run("info").returncode == 0

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def command(self, *args):
        return [WEFT, *args, "-S", self.socket]

    def run(self, *args, timeout=30, **kwargs):
        """A command at this node; never raises for its exit code."""
        return subprocess.run(
            self.command(*args), capture_output=True, timeout=timeout, check=False, **kwargs
        )

    def json(self, *args):
        result = self.run(*args, "-o", "json")
        if result.returncode not in (0, 1):
            raise AssertionError(f"{args}: {result.returncode} {result.stderr.decode()}")
        return json.loads(result.stdout)

    def spawn(self, *args, **kwargs):
        """A command that goes on; the caller ends it."""
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("stdout", subprocess.PIPE)
        kwargs.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen(self.command(*args), **kwargs)

    def info(self):
        return self.json("info")

    def members(self):
        return {m["id"]: m for m in self.json("members")}

    def live(self):
        """Ids that are live and active, own one included."""
        return sorted(
            int(i) for i, m in self.members().items() if m["live"] and m["state"] == "active"
        )

    def gossip_addr(self):
        return self.info()["gossip"]["addr"]

    def get(self, key, node=None):
        args = ["kv", "get", key] + (["--node", str(node)] if node else [])
        result = self.run(*args)
        return result.stdout.decode()[:-1] if result.returncode == 0 else None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self, timeout=12):
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(10)

    def sanitizer_report(self):
        """What a sanitizer said in the log, or None."""
        text = self.log() if os.path.exists(self.log_path) else ""
        for word in ("AddressSanitizer", "runtime error", "LeakSanitizer", "Assertion"):
            if word in text:
                return text
        return None


class Cluster:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="weft-")
        self.nodes = []

    def seeds(self):
        return [n.gossip_addr() for n in self.nodes if n.process and n.process.poll() is None][:3]

    def node(self, number, **settings):
        node = Node(self, number, **settings)
        self.nodes.append(node)
        return node

    def start(self, count, **settings):
        """Nodes 1 to `count`, all live and active on each other."""
        nodes = [self.node(i, **settings).start() for i in range(1, count + 1)]
        agree(nodes, range(1, count + 1))
        return nodes

    def close(self):
        for node in self.nodes:
            node.end()
        reports = [r for r in (n.sanitizer_report() for n in self.nodes) if r]
        shutil.rmtree(self.dir)
        if reports:
            raise AssertionError("\n".join(reports))


def wait_until(what, condition, timeout=30.0, every=0.05):
    """Waits for a state and prints the time it took."""
    start = time.monotonic()
    while True:
        value = condition()
        took = time.monotonic() - start
        if value:
            if VERBOSE:
                print(f"    {what}: {took:.2f} s", flush=True)
            return value
        if took > timeout:
            raise AssertionError(f"{what}: not within {timeout} s")
        time.sleep(every)


def seeded(chance=random.Random):
    """All chance of a test, from a seed that is printed; WEFT_SEED repeats it."""
    seed = int(SEED) if SEED is not None else random.randrange(2**32)
    print(f"    WEFT_SEED={seed}", flush=True)
    return chance(seed)


def agree(nodes, ids, timeout=60.0):
    """Every one of `nodes` sees exactly `ids` live and active."""
    wanted = sorted(ids)
    wait_until(
        f"{len(nodes)} nodes agree on {wanted}",
        lambda: all(n.live() == wanted for n in nodes),
        timeout,
    )


class ClusterTest(unittest.TestCase):
    """A test with a cluster of its own that always ends."""

    def setUp(self):
        print(f"\n  {self.id().split('.')[-1]}", flush=True)
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)
