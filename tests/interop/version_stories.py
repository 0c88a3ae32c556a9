"""In which protocol version Weft opens exchanges with real chitchat nodes: 0.10,
which reads V0 alone, and 0.13, which reads both and opens in either."""

import os

from gossip_stories import listed
from processes import check, eventually, expect, reads


def weft(world, node_id, protocol, seed=None):
    seeds = [] if seed is None else [seed]
    return world.weft(node_id, seeds=seeds, settings={"gossip.protocol": protocol})


def opens_with(node, gossip_id):
    """The version in which a node would open an exchange; None if unknown."""
    rows = {row["gossip_id"]: row for row in node.members()}
    return rows[gossip_id]["protocol"] if gossip_id in rows else None


def becomes(node, gossip_id, version):
    claim = f"{node} opens in {version} with {gossip_id}"
    eventually(claim, lambda: opens_with(node, gossip_id) == version)


def syns(node, version):
    return node.info()["gossip"]["syns_sent"][version]


def every_kind_of_node(world):
    """0.10, 0.13 in V0 and in V1, and Weft on v0, v1 and auto: all see all"""
    first = weft(world, 1, "v0")
    second = weft(world, 2, "v1", first.gossip_addr)
    third = weft(world, 3, "auto", first.gossip_addr)
    old = world.chitchat_0_10(1010, seed=third.gossip_addr, kv="key=1010")
    new = world.chitchat_0_13(1013, seed=second.gossip_addr, kv="key=1013")
    v1 = world.chitchat_0_13(
        1014, seed=third.gossip_addr, kv="key=1014", protocol="v1"
    )
    wefts = [first, second, third]
    peers = [old, new, v1]
    ids = [1, 2, 3, 1010, 1013, 1014]
    names = sorted(f"node-{node_id}" for node_id in ids)
    for node in [*wefts, *peers]:
        eventually(f"{node}: all live", lambda: node.live_ids() == names, 10.0)
    for node in wefts:
        node.set("key", node.id)
    for node in [*wefts, *peers]:
        for owner in ids:
            reads(node, owner, "key", str(owner))

    protocols = [node.info()["gossip"]["protocol"] for node in wefts]
    expect("protocols", protocols, ["v0", "v1", "auto"])
    expect("what v0 tries", syns(first, "v1"), 0)
    for node in (second, third):
        becomes(node, "node-1010", "v0")
        becomes(node, "node-1", "v1")
        becomes(node, "node-1014", "v1")


def auto_among_old_ones_is_v0(world):
    """among 0.10 nodes, a Weft on auto never tries V1"""
    node = weft(world, 1, "auto")
    peers = [world.chitchat_0_10(n, seed=node.gossip_addr) for n in (1010, 1011)]
    names = ["node-1", "node-1010", "node-1011"]
    for member in (node, *peers):
        eventually(f"{member}: all live", lambda: member.live_ids() == names)
    peers[0].ask("set key value")
    reads(node, 1010, "key", "value")
    eventually("fifty exchanges", lambda: syns(node, "v0") >= 50)
    expect("what it tried", syns(node, "v1"), 0)


def v1_gives_way_to_an_old_peer(world):
    """a Weft on v1 meets a 0.10 node behind three Syns, and says so once"""
    peer = world.chitchat_0_10(1010, kv="key=value")
    node = weft(world, 1, "v1", peer.gossip_addr)
    reads(node, 1010, "key", "value")
    eventually("ten exchanges", lambda: syns(node, "v0") >= 10)
    expect("what it tried", syns(node, "v1"), 3)
    said = [line for line in node.log.read_text().splitlines()
            if "does not answer gossip in protocol V1" in line]
    expect("times that was said", len(said), 1)
    check("of this address", peer.gossip_addr in said[0])


def auto_follows_who_speaks_v1(world):
    """a Weft on auto opens in V1 with who has sent V1, and with nobody else"""
    node = weft(world, 1, "auto")
    world.chitchat_0_13(1013, seed=node.gossip_addr)
    speaker = world.chitchat_0_13(1014, seed=node.gossip_addr, protocol="v1")
    becomes(node, "node-1014", "v1")
    tried = syns(node, "v1")
    eventually("exchanges in V1", lambda: syns(node, "v1") >= tried + 10)
    expect("the silent reader", opens_with(node, "node-1013"), "v0")
    expect("the speaker", opens_with(node, "node-1014"), "v1")
    speaker.ask("set key value")
    reads(node, 1014, "key", "value")
    node.set("ours", "value")
    reads(speaker, 1, "ours", "value")


def auto_gets_much_from_a_v1_peer(world):
    """a 0.13 on V1 can't answer V0 when it owes much: a Weft on auto gets it"""
    keys = {f"big-{n:03}": os.urandom(250).hex() for n in range(300)}
    peer = world.chitchat_0_13(1014, protocol="v1")
    for key, value in keys.items():
        peer.ask(f"set {key} {value}")
    node = weft(world, 1, "auto", peer.gossip_addr)
    eventually("it is known", lambda: opens_with(node, "node-1014"))
    eventually("its state", lambda: listed(node, "1014") == keys)


def an_old_node_takes_a_new_ones_place(world):
    """a 0.10 that knows nobody, where a V1 peer was, is met within four Syns"""
    node = weft(world, 1, "auto")
    before = world.chitchat_0_13(1014, seed=node.gossip_addr, protocol="v1")
    becomes(node, "node-1014", "v1")
    before.kill()
    tried = syns(node, "v1")
    after = world.chitchat_0_10(1010, listen=before.gossip_addr, kv="key=value")
    expect("its address", after.gossip_addr, before.gossip_addr)
    reads(node, 1010, "key", "value")
    check("no more than three were lost", syns(node, "v1") <= tried + 3)
    expect("now", opens_with(node, "node-1010"), "v0")


def an_old_node_is_upgraded_in_place(world):
    """a 0.10 that was refused comes back as a 0.13 that speaks V1"""
    before = world.chitchat_0_10(1010, kv="key=old")
    node = weft(world, 1, "v1", before.gossip_addr)
    reads(node, 1010, "key", "old")
    expect("while it is old", opens_with(node, "node-1010"), "v0")
    before.kill()
    world.chitchat_0_13(
        1010, listen=before.gossip_addr, seed=node.gossip_addr,
        kv="key=new", protocol="v1",
    )
    reads(node, 1010, "key", "new")
    becomes(node, "node-1010", "v1")


def wefts_on_auto_find_to_v1(world):
    """two Wefts on auto speak V1 behind their first exchange, beside a third on v0"""
    one = weft(world, 1, "auto")
    two = weft(world, 2, "auto", one.gossip_addr)
    plain = weft(world, 3, "v0", one.gossip_addr)
    for node, other in ((one, "node-2"), (two, "node-1")):
        becomes(node, other, "v1")
        becomes(node, "node-3", "v1")
    eventually("exchanges in V1", lambda: syns(one, "v1") >= 10)
    few = syns(one, "v0"), syns(two, "v0")
    eventually("more of them", lambda: min(syns(one, "v1"), syns(two, "v1")) >= 30)
    expect("and no other", (syns(one, "v0"), syns(two, "v0")), few)
    expect("the third", syns(plain, "v1"), 0)
    expect("of others", opens_with(plain, "node-1"), "v0")


STORIES = [
    every_kind_of_node,
    auto_among_old_ones_is_v0,
    v1_gives_way_to_an_old_peer,
    auto_follows_who_speaks_v1,
    auto_gets_much_from_a_v1_peer,
    an_old_node_takes_a_new_ones_place,
    an_old_node_is_upgraded_in_place,
    wefts_on_auto_find_to_v1,
]
