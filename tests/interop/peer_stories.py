"""The foreign programs among themselves, without Weft.

They show that the peers do what the other stories take for granted, so that a
story which fails there has found something out about Weft."""

import contextlib
import socket

import frames
from processes import PATIENCE, eventually, expect


def chitchats_agree(world):
    """chitchat 0.10, 0.13 and 0.13 with V1 share members and keys"""
    old = world.chitchat_0_10(1010, kv="greeting=from 0.10")
    new = world.chitchat_0_13(1013, seed=old.gossip_addr)
    v1 = world.chitchat_0_13(1014, seed=new.gossip_addr, protocol="v1")
    everyone = ["node-1010", "node-1013", "node-1014"]
    for peer in (old, new, v1):
        eventually("all are live", lambda: peer.live_ids() == everyone)

    v1.ask("set colour blue and green")
    for peer in (old, new):
        eventually("the key", lambda: peer.get(1014, "colour") == "blue and green")
    expect("initial key", v1.get(1010, "greeting"), "from 0.10")

    v1.ask("del colour")
    for peer in (old, new):
        eventually("the deletion", lambda: peer.get(1014, "colour") is None)

    new.kill()
    eventually("a death", lambda: "node-1013" not in old.live_ids())


def laminars_shuffle(world):
    """two LaminarDB nodes find each other by gossip and exchange frames"""
    left = world.laminar(2001)
    right = world.laminar(2002, seed=left.gossip_addr)
    found = eventually("discovery", lambda: left.ask("lookup 2002")["addr"])
    expect("address found", found, right.shuffle_addr)

    left.ask("send-hello 2002 77")
    sent = left.ask("send-batch 2002 42 3 word")
    left.ask("fanout 7 9 1 2002")
    eventually("three frames", lambda: len(right.ask("received")["received"]) == 3)
    expect(
        "frames received",
        right.ask("received")["received"],
        [
            {"from": 2001, "kind": "hello", "id": 77},
            data_row(2001, 42, 3, sent["arrow"]),
            barrier_row(2001, 7, 9, 1),
        ],
    )
    eventually("membership", lambda: [row["id"] for row in left.ask("peers")["peers"]])


def laminar_speaks_the_frames(world):
    """what LaminarDB puts on the wire, and takes from it, to the byte"""
    laminar = world.laminar(2001)
    arrow = bytes.fromhex(laminar.ask("encode 3 word")["arrow"])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        host, port = listener.getsockname()
        laminar.ask(f"register 9 {host}:{port}")
        laminar.ask(f"send-hex 9 5 {arrow.hex()}")
        laminar.ask("barrier 9 17 42 1")
        laminar.ask("close 9 graceful")
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as stream:
            expect("first frame", frames.read(stream), frames.hello(2001))
            expect("data frame", frames.read(stream), frames.vnode_data(5, arrow))
            expect("barrier", frames.read(stream), frames.barrier(17, 42, 1))
            close = frames.encode(frames.CLOSE, b"graceful")
            expect("close", frames.read(stream), close)

    host, port = laminar.shuffle_addr.split(":")
    with contextlib.closing(socket.create_connection((host, int(port)))) as peer:
        peer.sendall(frames.hello(9) + frames.vnode_data(6, arrow))
        peer.sendall(frames.barrier(18, 43, 2))
        eventually("frames", lambda: len(laminar.ask("received")["received"]) == 2)
    expect(
        "frames received",
        laminar.ask("received")["received"],
        [data_row(9, 6, 3, arrow.hex()), barrier_row(9, 18, 43, 2)],
    )


def laminars_agree_on_a_checkpoint(world):
    """a LaminarDB leader and two followers commit, and know one watermark"""
    leader, *followers = gathered_laminars(world)
    for follower, watermark in zip(followers, (700, 500)):
        follower.ask(f"follow ok {watermark}")

    leader.ask("announce Prepare 5 42")
    answer = leader.ask("quorum 5 2002,2003 5000")
    expect("acks", sorted(answer.pop("acks")), [2002, 2003])
    expect("quorum", answer, {"quorum": "reached", "watermark": 500})
    for follower in followers:
        expect("watermark before", follower.ask("observed")["watermark"], None)

    leader.ask("announce Commit 5 42 500")
    for follower in followers:
        eventually("the watermark", lambda: follower.ask("observed")["watermark"] == 500)
        expect("seen", phases_seen(follower, 5), ["Prepare", "Commit"])


def laminars_abort(world):
    """a LaminarDB leader is refused, or waits in vain, and says who"""
    leader, *followers = gathered_laminars(world)
    followers[0].ask("follow ok")
    followers[1].ask('follow fail disk "full"')
    leader.ask("announce Prepare 5 42")
    failed = {"quorum": "failed", "failures": [[2003, 'disk "full"']]}
    eventually("the refusal", lambda: leader.ask("quorum 5 2002,2003 0") == failed)

    leader.ask("announce Abort 5 42")
    eventually("the abort", lambda: phases_seen(followers[1], 5) == ["Prepare", "Abort"])
    followers[1].ask("follow silent")
    leader.ask("announce Prepare 6 43")
    eventually("an ack", lambda: "Prepare" in phases_seen(followers[0], 6))
    timed_out = {"quorum": "timed_out", "got": [2002], "missing": [2003]}
    expect("the silence", leader.ask("quorum 6 2002,2003 500"), timed_out)


def laminars_count_entries(world):
    """a LaminarDB quorum takes two lives of a node for two, and acks of old"""
    leader, twin, _ = gathered_laminars(world)  # the third says nothing
    other_twin = world.laminar(2002, seed=leader.gossip_addr)
    for follower in (twin, other_twin):
        follower.ask("follow ok")
    leader.ask("announce Prepare 5 42")
    reached = {"quorum": "reached", "acks": [2002, 2002], "watermark": None}
    eventually("two lives", lambda: leader.ask("quorum 5 2002,2003 0") == reached)

    leader.ask("announce Abort 5 42")
    leader.ask("announce Prepare 5 42")
    expect("acks of the first attempt", leader.ask("quorum 5 2002,2003 0"), reached)


PREPARE = '"epoch":5,"checkpoint_id":42,"phase":"Prepare"'
ACCEPTED_AND_REFUSED = [
    # form, announcement, whether LaminarDB reads it
    ("as it writes", '{%s,"flags":0,"min_watermark_ms":null}' % PREPARE, True),
    ("no watermark", '{%s,"flags":0}' % PREPARE, True),
    ("space around", '\n{ %s ,\t"flags":0 } ' % PREPARE, True),
    ("another order", '{"flags":0,%s}' % PREPARE, True),
    ("fields of others", '{%s,"flags":0,"x":[{"epoch":7}],"x":1e9}' % PREPARE, True),
    ("largest", '{%s,"flags":18446744073709551615}' % PREPARE, True),
    ("an array", '[5,42,"Prepare",0,null]', True),
    ("no flags", "{%s}" % PREPARE, False),
    ("a field twice", '{%s,"flags":0,"flags":0}' % PREPARE, False),
    ("a fraction", '{%s,"flags":0.0}' % PREPARE, False),
    ("negative", '{%s,"flags":-1}' % PREPARE, False),
    ("a string", '{%s,"flags":"0"}' % PREPARE, False),
    ("too large", '{%s,"flags":18446744073709551616}' % PREPARE, False),
    ("another word", '{%s,"flags":0}' % PREPARE.replace("Prepare", "Aligned"), False),
    ("small letters", '{%s,"flags":0}' % PREPARE.replace("P", "p"), False),
    ("more behind", '{%s,"flags":0}}' % PREPARE, False),
    ("a comma too many", '{%s,"flags":0,}' % PREPARE, False),
    ("nothing", "", False),
    ("null", "null", False),
]


def laminar_reads_records(world):
    """which forms of a control record LaminarDB reads, and which it refuses"""
    laminar = world.laminar(2001)
    for form, text, is_read in ACCEPTED_AND_REFUSED:
        answer = laminar.try_asking(f"read announcement {text.encode().hex()}")
        expect(form, "read" in answer, is_read)
        if is_read:
            read = answer["read"]
            ids = (read["epoch"], read["checkpoint_id"], read["phase"])
            expect(form, ids, (5, 42, "Prepare"))


def gathered_laminars(world):
    """Three LaminarDB nodes that all take the first for the leader."""
    leader = world.laminar(2001)
    others = [world.laminar(node_id, seed=leader.gossip_addr) for node_id in (2002, 2003)]
    for node in (leader, *others):
        wanted = {"leader": 2001, "live": [2001, 2002, 2003]}
        eventually(f"{node}: who leads", lambda: node.ask("leader") == wanted)
    return [leader, *others]


def phases_seen(laminar, epoch):
    """The phases of that epoch that a LaminarDB follower has seen, in order."""
    seen = laminar.ask("observed")["observed"]
    return [row["phase"] for row in seen if row.get("epoch") == epoch]


def data_row(sender, vnode, rows, arrow):
    """A data frame as the `received` command of a LaminarDB peer shows it."""
    return {
        "from": sender,
        "kind": "data",
        "vnode": vnode,
        "rows": rows,
        "arrow": arrow,
    }


def barrier_row(sender, checkpoint_id, epoch, flags):
    return {
        "from": sender,
        "kind": "barrier",
        "checkpoint_id": checkpoint_id,
        "epoch": epoch,
        "flags": flags,
    }


STORIES = [
    chitchats_agree,
    laminars_shuffle,
    laminar_speaks_the_frames,
    laminars_agree_on_a_checkpoint,
    laminars_abort,
    laminars_count_entries,
    laminar_reads_records,
]
