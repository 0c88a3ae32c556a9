"""A TCP fault between two nodes: forwards, holds back, breaks, refuses.

A node advertises the proxy's address in place of its own, so that its peers
come through here. `hold` keeps what the connecting side sends; `break_all`
resets every connection on both sides; `refuse` ends listening.
"""

import contextlib
import select
import socket
import struct
import threading

RESET = struct.pack("ii", 1, 0)


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Proxy:
    def __init__(self, target_port):
        self.target = ("127.0.0.1", target_port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.addr = f"127.0.0.1:{self.port}"
        self.lock = threading.Lock()
        self.pairs = []
        self.accepted = 0
        self.open = threading.Event()  # cleared: nothing passes forward
        self.open.set()
        self.closing = False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        listener = self.listener
        while not self.closing:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target, timeout=5)
            except OSError:
                reset(near)
                continue
            far.settimeout(None)
            with self.lock:
                self.pairs.append((near, far))
                self.accepted += 1
            for forward, a, b in ((True, near, far), (False, far, near)):
                threading.Thread(target=self.pump, args=(forward, a, b), daemon=True).start()

    def pump(self, forward, source, sink):
        while True:
            try:
                if forward:
                    select.select([source], [], [])
                    self.open.wait()
                data = source.recv(65536)
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
            except (OSError, ValueError):
                # The other side hears of a reset as a reset.
                for s in (source, sink):
                    reset(s)
                return

    def hold(self):
        self.open.clear()

    def release(self):
        self.open.set()

    def break_all(self):
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for s in pair:
                reset(s)

    def refuse(self):
        """No new connection from now on: they are refused."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def close(self):
        self.closing = True
        self.refuse()
        self.break_all()
        self.release()


def reset(s):
    """Ends a connection at once and rudely."""
    with contextlib.suppress(OSError):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    with contextlib.suppress(OSError):
        s.shutdown(socket.SHUT_RDWR)
    s.close()
