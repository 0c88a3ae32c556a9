"""The processes of a story: Weft nodes and the foreign programs beside them.

Everything listens on loopback at ports the system chose, which are read back;
nothing sleeps for a fixed time, `eventually` waits for a state."""

import contextlib
import json
import os
import pathlib
import select
import shutil
import struct
import subprocess
import tempfile
import time

PATIENCE = 20.0  # seconds: about ten times what the slowest wait should take
INTERVAL_MS = 100  # of every node's gossip, ours and theirs


class Failure(Exception):
    """The story did not go as told."""


def eventually(claim, probe, patience=PATIENCE):
    """Asks `probe` until it answers something true, and returns that."""
    deadline = time.monotonic() + patience
    while True:
        seen = probe()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise Failure(f"not within {patience:.0f} s: {claim}")
        time.sleep(0.05)


def reads(reader, node_id, key, value):
    """Waits until a node sees that value of a key; None means no such key."""
    claim = f"{reader} reads {key} of node {node_id} as {str(value)[:30]}"
    eventually(claim, lambda: reader.get(node_id, key) == value)


def expect(claim, found, wanted):
    if found != wanted:
        raise Failure(f"{claim}: found {found!r}, wanted {wanted!r}")


def check(claim, holds):
    if not holds:
        raise Failure(f"not so: {claim}")


def read_some(stream, deadline, reader):
    """What the pipe holds, at least a byte; an end or a silence is a failure."""
    wait = max(0.0, deadline - time.monotonic())
    if not select.select([stream], [], [], wait)[0]:
        raise Failure(f"{reader} is silent")
    chunk = os.read(stream.fileno(), 1 << 16)
    if not chunk:
        raise Failure(f"{reader} has ended")
    return chunk


class Peer:
    """A foreign program: a command a line in, a JSON object a line out."""

    def __init__(self, program, identity, *flags):
        self.name = f"{program.name} {identity}"
        self.process = subprocess.Popen(
            [program, "--id", str(identity), *map(str, flags)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self.unread = b""
        ready = self._answer()
        self.gossip_addr = ready["ready"]
        self.shuffle_addr = ready.get("shuffle")

    def __str__(self):
        return self.name

    def ask(self, command):
        """The answer to `command`; an error answered is a failure."""
        answer = self.try_asking(command)
        if "error" in answer:
            raise Failure(f"{command[:60]}: {answer['error']}")
        return answer

    def try_asking(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        return self._answer()

    def _answer(self):
        deadline = time.monotonic() + PATIENCE
        while b"\n" not in self.unread:
            self.unread += read_some(self.process.stdout, deadline, self.name)
        line, self.unread = self.unread.split(b"\n", 1)
        return json.loads(line)

    def get(self, node_id, key):
        """A key of any node, as this peer knows it; None if it is not there."""
        return self.try_asking(f"get node-{node_id} {key}")["value"]

    def live_ids(self):
        return sorted({row["id"] for row in self.ask("live")["live"]})

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()  # the end of the input is a quit
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=2)
        self.kill()
        self.process.stdout.close()


class Weft:
    """A `weft run`, and the commands that speak to it."""

    def __init__(
        self, program, directory, node_id, seeds=(), cluster="default", settings=None
    ):
        self.program = program
        self.id = str(node_id)
        self.socket = directory / f"weft-{node_id}.sock"
        self.log = directory / f"weft-{node_id}.log"
        every_setting = {
            "node.id": node_id,
            "node.name": f"weft-{node_id}",
            "node.socket": self.socket,
            "cluster.name": cluster,
            "gossip.bind": "127.0.0.1:0",
            "gossip.interval": f"{INTERVAL_MS}ms",
            "shuffle.bind": "127.0.0.1:0",
            **(settings or {}),
        }
        pairs = [*every_setting.items(), *(("cluster.seed", seed) for seed in seeds)]
        flags = [flag for key, value in pairs for flag in ("-s", f"{key}={value}")]
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("WEFT_")
        }
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [program, "run", *flags], stderr=log, env=environment
            )
        eventually(f"weft {node_id} answers", self._answers)
        info = self.info()
        self.gossip_addr = info["gossip"]["addr"]
        self.shuffle_addr = info["shuffle"]["addr"]

    def __str__(self):
        return f"weft {self.id}"

    def _answers(self):
        if self.process.poll() is not None:
            raise Failure(f"weft {self.id} ended with {self.process.returncode}")
        return self.run("health").returncode in (0, 1)

    def run(self, *arguments, data=b""):
        """A command of ours, to its end."""
        return subprocess.run(
            [self.program, *arguments, "-S", str(self.socket)],
            input=data,
            capture_output=True,
            timeout=PATIENCE,
        )

    def json(self, *arguments):
        done = self.run(*arguments, "-o", "json")
        expect(f"exit code of {' '.join(arguments)}", done.returncode, 0)
        return json.loads(done.stdout)

    def info(self):
        return self.json("info")

    def members(self):
        return self.json("members")

    def live_ids(self):
        rows = self.members()
        return sorted(row["gossip_id"] for row in rows if row["live"])

    def is_ready(self):
        return self.run("health").returncode == 0

    def set(self, key, value):
        done = self.run("kv", "set", key, value)
        expect(f"exit code of kv set {key}", done.returncode, 0)

    def delete(self, key):
        expect(f"exit code of kv del {key}", self.run("kv", "del", key).returncode, 0)

    def get(self, node_id, key):
        """A key of any node, as this node knows it; None if it is not there."""
        done = self.run("kv", "get", key, "--node", str(node_id))
        return done.stdout.decode()[:-1] if done.returncode == 0 else None

    def kill(self):
        self.process.kill()
        self.process.wait()

    close = kill


class Barrier:
    """A running `weft barrier`."""

    def __init__(self, weft):
        self.process = subprocess.Popen(
            [weft.program, "barrier", "-o", "json", "-S", str(weft.socket)],
            stdout=subprocess.PIPE,
        )

    def has_ended(self):
        return self.process.poll() is not None

    def result(self):
        """Waits for the end; what was printed, with the exit code."""
        printed, _ = self.process.communicate(timeout=PATIENCE)
        code = self.process.returncode
        check(f"weft barrier answers; it ends with {code}", printed)
        return {"exit": code, **json.loads(printed)}

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class RawRecv:
    """A running `weft recv laminar --raw --marks`."""

    def __init__(self, weft):
        self.unread = b""
        self.log = weft.socket.parent / f"recv-at-{weft.id}.log"
        words = ["recv", "laminar", "--raw", "--marks"]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [weft.program, *words, "-S", str(weft.socket)],
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
            )

    def has_said(self, sentence):
        """On standard error, as a line of its own."""
        return f"weft: {sentence}" in self.log.read_text().splitlines()

    def record(self):
        """The next record: peer, vnode and the bytes."""
        peer, vnode, length = struct.unpack("<QII", self._take(16))
        return peer, vnode, self._take(length)

    def _take(self, size):
        deadline = time.monotonic() + PATIENCE
        while len(self.unread) < size:
            self.unread += read_some(self.process.stdout, deadline, "weft recv")
        taken, self.unread = self.unread[:size], self.unread[size:]
        return taken

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class RawSend:
    """A running `weft send laminar --raw` to one node."""

    def __init__(self, weft, node_id):
        to = ["--raw", "--to", str(node_id)]
        self.process = subprocess.Popen(
            [weft.program, "send", "laminar", *to, "-S", str(weft.socket)],
            stdin=subprocess.PIPE,
            bufsize=0,
        )

    def record(self, vnode, data):
        self.process.stdin.write(struct.pack("<II", vnode, len(data)) + data)

    def end(self):
        """Ends its input; returns its exit code."""
        self.process.stdin.close()
        return self.process.wait(timeout=PATIENCE)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


class World:
    """Starts the processes of one story, and ends them all with it."""

    def __init__(self, programs, weft):
        self.programs = programs
        self.weft_program = weft
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="weft-interop-"))
        self.everyone = contextlib.ExitStack()
        self.everyone.callback(shutil.rmtree, self.directory)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.everyone.close()

    def weft(self, node_id, **options):
        return self._keep(Weft(self.weft_program, self.directory, node_id, **options))

    def chitchat_0_10(self, node_id, seed=None, **flags):
        return self._peer("interop-chitchat-0-10", f"node-{node_id}", seed, flags)

    def chitchat_0_13(self, node_id, seed=None, **flags):
        return self._peer("interop-chitchat-0-13", f"node-{node_id}", seed, flags)

    def laminar(self, node_id, seed=None, **flags):
        return self._peer("interop-laminar", node_id, seed, flags)

    def barrier(self, weft):
        return self._keep(Barrier(weft))

    def raw_send(self, weft, node_id):
        return self._keep(RawSend(weft, node_id))

    def raw_recv(self, weft):
        return self._keep(RawRecv(weft))

    def _peer(self, program, identity, seed, flags):
        words = ["--interval-ms", INTERVAL_MS]
        if seed is not None:
            words += ["--seed", seed]
        for name, value in flags.items():
            words += [f"--{name}", value]
        return self._keep(Peer(self.programs / program, identity, *words))

    def _keep(self, process):
        self.everyone.callback(process.close)
        return process

    def last_words(self, lines=12):
        """The ends of the logs of our nodes, for the report of a failure."""
        for log in sorted(self.directory.glob("*.log")):
            text = log.read_text(errors="replace").splitlines()[-lines:]
            yield from (f"{log.stem}: {line}" for line in text)
