"""Weft and a real LaminarDB node: its gossip discovery, its shuffle sender
and its shuffle receiver."""

import struct

from peer_stories import data_row
from processes import check, eventually, expect

LAMINAR = 2001


def meet(world, settings=None):
    """A Weft and a LaminarDB node that know each other, and no connection."""
    weft = world.weft(1, settings=settings)
    laminar = world.laminar(LAMINAR, seed=weft.gossip_addr)
    eventually("ready", weft.is_ready)
    eventually("LaminarDB is known", lambda: shuffle_addr_of(weft, LAMINAR))
    return weft, laminar


def shuffle_addr_of(weft, node_id):
    """A member's shuffle address as `weft members` shows it, while it lives."""
    for row in weft.members():
        if row["id"] == str(node_id) and row["live"]:
            return row["shuffle_addr"]
    return None


def they_find_each_other(world):
    """each finds the other's shuffle:addr through the gossip"""
    weft, laminar = meet(world)
    expect("theirs", shuffle_addr_of(weft, LAMINAR), laminar.shuffle_addr)
    found = eventually("ours is known", lambda: laminar.ask("lookup 1")["addr"])
    expect("ours", found, weft.shuffle_addr)

    row = eventually("LaminarDB sees us active", lambda: seen_active(laminar, 1))
    expect("our name", row["name"], "weft-1")


def seen_active(laminar, node_id):
    rows = laminar.ask("peers")["peers"]
    wanted = (row for row in rows if row["id"] == node_id and row["state"] == "active")
    return next(wanted, None)


def a_hello_is_attributed(world):
    """a connection from LaminarDB is attributed to the id in its Hello"""
    weft, laminar = meet(world)
    eventually("our address", lambda: laminar.ask("lookup 1")["addr"])
    laminar.ask("send-hello 1 77")
    row = eventually("the connection", lambda: connection(weft, "in"))
    expect("dialect", row["dialect"], "laminar")


def connection(weft, direction):
    """The one connection with LaminarDB in that direction, if there is one."""
    peers = weft.info()["shuffle"]["peers"]
    rows = [
        row
        for row in peers
        if row["id"] == str(LAMINAR) and row["direction"] == direction
    ]
    check(f"at most one connection {direction}", len(rows) <= 1)
    return rows[0] if rows else None


def a_batch_from_laminar(world):
    """record batches from LaminarDB arrive bit for bit, in order"""
    weft, laminar = meet(world)
    recv = world.raw_recv(weft)
    eventually("our address", lambda: laminar.ask("lookup 1")["addr"])
    for vnode, rows in ((42, 1), (0, 3), (255, 50_000)):
        sent = laminar.ask(f"send-batch 1 {vnode} {rows} word")
        peer, got_vnode, arrow = recv.record()
        expect("peer and vnode", (peer, got_vnode), (LAMINAR, vnode))
        check("the bytes are the same", arrow.hex() == sent["arrow"])


def a_batch_to_laminar(world):
    """record batches to LaminarDB arrive bit for bit, from first contact on"""
    weft, laminar = meet(world)
    wanted = []
    for vnode, rows in ((42, 1), (0, 3), (255, 50_000)):
        arrow = laminar.ask(f"encode {rows} word")["arrow"]
        send_raw(weft, vnode, bytes.fromhex(arrow))
        wanted.append(data_row(1, vnode, rows, arrow))
    eventually("all batches", lambda: len(received(laminar)) == len(wanted))
    check("the frames are the same", received(laminar) == wanted)

    row = connection(weft, "out")
    expect("one connection, found by gossip", row["addr"], laminar.shuffle_addr)
    expect("dialect", row["dialect"], "laminar")


def received(laminar):
    return laminar.ask("received")["received"]


def send_raw(weft, vnode, arrow):
    """Exit code 0 says: handed to the kernel."""
    record = struct.pack("<II", vnode, len(arrow)) + arrow
    to = ["--raw", "--to", str(LAMINAR)]
    done = weft.run("send", "laminar", *to, data=record)
    said = done.stderr.decode().strip()
    check(f"weft send laminar ends with 0: {said}", done.returncode == 0)


def a_barrier_from_laminar(world):
    """a barrier fanned out by LaminarDB reaches two Wefts among the data"""
    # nobody announces it, so what is behind it waits for that long
    weft, laminar = meet(world, settings={"checkpoint.align_timeout": "300ms"})
    other = world.weft(2, seeds=[weft.gossip_addr])
    recv = world.raw_recv(weft)
    for node_id in (1, 2):
        eventually("our address", lambda: laminar.ask(f"lookup {node_id}")["addr"])
        laminar.ask(f"send-hello {node_id} 77")
    wefts = (weft, other)
    for node in wefts:
        eventually("the connection", lambda: connection(node, "in"))
    before = [frames_in(node) for node in wefts]

    laminar.ask("fanout 7 9 1 1,2")
    for node, count in zip(wefts, before):
        eventually("the barrier was counted", lambda: frames_in(node) == count + 1)
    sent = laminar.ask("send-batch 1 5 3")
    check("the data behind it is the same", recv.record()[2].hex() == sent["arrow"])
    expect("connections", connections(weft), 1)


def frames_in(weft):
    return weft.info()["shuffle"]["received"]["frames"]


def a_close_ends_the_connection(world):
    """Close from LaminarDB ends its connection; its next frame opens another"""
    weft, laminar = meet(world)
    eventually("our address", lambda: laminar.ask("lookup 1")["addr"])
    laminar.ask("send-hello 1 77")
    eventually("the connection", lambda: connections(weft) == 1)
    laminar.ask("close 1 goodbye")
    eventually("its end", lambda: connections(weft) == 0)
    laminar.ask("send-hello 1 78")
    eventually("a new connection", lambda: connections(weft) == 1)


def connections(weft):
    return weft.info()["shuffle"]["connections"]


def laminar_restarts_elsewhere(world):
    """a LaminarDB node that restarts at another port is found again by us"""
    weft, laminar = meet(world)
    arrow = bytes.fromhex(laminar.ask("encode 3 word")["arrow"])
    send_raw(weft, 1, arrow)
    eventually("the first batch", lambda: received(laminar))

    laminar.kill()
    reborn = world.laminar(LAMINAR, seed=weft.gossip_addr)
    there = reborn.shuffle_addr
    eventually("its new address", lambda: shuffle_addr_of(weft, LAMINAR) == there)
    send_raw(weft, 2, arrow)
    eventually("the second batch", lambda: received(reborn))
    expect("connected to", connection(weft, "out")["addr"], there)


def weft_restarts_elsewhere(world):
    """a Weft node that restarts at another port is reached by LaminarDB again"""
    weft, laminar = meet(world)
    eventually("our address", lambda: laminar.ask("lookup 1")["addr"])
    laminar.ask("send-hello 1 77")
    eventually("the connection", lambda: connection(weft, "in"))

    weft.kill()
    reborn = world.weft(1, seeds=[laminar.gossip_addr])
    # LaminarDB's own look-up answers with the oldest generation it knows
    there = reborn.shuffle_addr
    eventually("our new address", lambda: laminar.get(1, "shuffle:addr") == there)
    laminar.ask(f"register 1 {there}")
    laminar.ask("send-hello 1 78")
    eventually("a new connection", lambda: connection(reborn, "in"))


STORIES = [
    they_find_each_other,
    a_hello_is_attributed,
    a_batch_from_laminar,
    a_batch_to_laminar,
    a_barrier_from_laminar,
    a_close_ends_the_connection,
    laminar_restarts_elsewhere,
    weft_restarts_elsewhere,
]
