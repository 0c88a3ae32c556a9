"""LaminarDB's shuffle frames, as bytes: u32 big-endian length, tag, payload."""

import struct

BARRIER, HELLO, VNODE_DATA, CLOSE = 0x02, 0x04, 0x05, 0xFF


def encode(tag, payload=b""):
    return struct.pack(">IB", 1 + len(payload), tag) + payload


def hello(node_id):
    return encode(HELLO, struct.pack("<Q", node_id))


def barrier(checkpoint_id, epoch, flags):
    return encode(BARRIER, struct.pack("<QQQ", checkpoint_id, epoch, flags))


def vnode_data(vnode, arrow):
    return encode(VNODE_DATA, struct.pack("<I", vnode) + arrow)


def read_exactly(stream, size):
    """From a socket's or a pipe's file object; fails on an early end."""
    data = stream.read(size)
    if len(data) != size:
        raise EOFError(f"{len(data)} bytes of {size}")
    return data


def read(stream):
    """The next frame whole, header included."""
    header = read_exactly(stream, 5)
    (length, _) = struct.unpack(">IB", header)
    return header + read_exactly(stream, length - 1)
