"""Weft and real chitchat nodes in one cluster: two of ours, a 0.10, a 0.13,
and a 0.13 that opens every exchange with protocol V1."""

import os

from processes import check, eventually, expect, reads


EVERYONE = ["node-1", "node-1010", "node-1013", "node-1014", "node-2"]


class Cluster:
    def __init__(self, world):
        self.world = world
        self.one = world.weft(1)
        self.two = world.weft(2, seeds=[self.one.gossip_addr])
        self.old = world.chitchat_0_10(1010, seed=self.one.gossip_addr)
        self.new = world.chitchat_0_13(1013, seed=self.two.gossip_addr)
        self.v1 = world.chitchat_0_13(1014, seed=self.one.gossip_addr, protocol="v1")
        self.wefts = [self.one, self.two]
        self.chitchats = [self.old, self.new, self.v1]
        self.all = [*self.wefts, *self.chitchats]

    def gather(self):
        """Waits until everybody sees everybody."""
        for node in self.all:
            eventually(f"{node}: all live", lambda: node.live_ids() == EVERYONE)


def everybody_sees_everybody(world):
    """one cluster of Weft and chitchat: the members are right on every side"""
    cluster = Cluster(world)
    cluster.gather()

    for weft in cluster.wefts:
        rows = {row["gossip_id"]: row for row in weft.members()}
        expect("one row a member", sorted(rows), EVERYONE)
        for peer, node_id in zip(cluster.chitchats, (1010, 1013, 1014)):
            row = rows[f"node-{node_id}"]
            expect("id", row["id"], str(node_id))
            expect("gossip address", row["gossip_addr"], peer.gossip_addr)
            expect("state", row["state"], None)
            expect("self", row["self"], False)

    for peer in cluster.chitchats:
        for weft in cluster.wefts:
            addresses = {m["id"]: m["addr"] for m in peer.ask("members")["members"]}
            expect("our address", addresses[f"node-{weft.id}"], weft.gossip_addr)


def what_a_weft_publishes(world):
    """chitchat reads the keys of a Weft node: state, name, addresses, protocol"""
    cluster = Cluster(world)
    for weft in cluster.wefts:
        eventually("ready", weft.is_ready)
        published = {
            "node:state": "active",
            "node:name": f"weft-{weft.id}",
            "shuffle:addr": weft.shuffle_addr,
            "weft:protocol": "1",
        }
        for peer in cluster.chitchats:
            for key, value in published.items():
                reads(peer, weft.id, key, value)
            # without this key a LaminarDB node would not see a member in us
            rpc_addr = peer.get(weft.id, "node:rpc_addr")
            check("node:rpc_addr is published", rpc_addr is not None)


def keys_cross(world):
    """keys cross both ways, and so do their changes"""
    cluster = Cluster(world)
    for value in ("a few words", "größer ≥ 1", "x" * 8000, "back to words"):
        cluster.two.set("ours", value)
        for peer in cluster.chitchats:
            reads(peer, 2, "ours", value)

        cluster.old.ask(f"set theirs {value}")
        cluster.new.ask(f"ttl passing {value}")
        cluster.v1.ask(f"set theirs {value}")
        for weft in cluster.wefts:
            for node, key in ((1010, "theirs"), (1013, "passing"), (1014, "theirs")):
                reads(weft, node, key, value)


def deletions_cross(world):
    """deletions cross both ways, and a key may come back"""
    cluster = Cluster(world)
    for round_number in range(2):
        value = f"round {round_number}"
        cluster.one.set("ours", value)
        cluster.old.ask(f"set theirs {value}")
        cluster.v1.ask(f"set theirs {value}")
        for peer in cluster.chitchats:
            reads(peer, 1, "ours", value)
        for weft in cluster.wefts:
            for node in (1010, 1014):
                reads(weft, node, "theirs", value)

        cluster.one.delete("ours")
        cluster.old.ask("del theirs")
        cluster.v1.ask("del theirs")
        for peer in cluster.chitchats:
            reads(peer, 1, "ours", None)
        for weft in cluster.wefts:
            for node in (1010, 1014):
                reads(weft, node, "theirs", None)


def collected_deletions_stay_deleted(world):
    """a tombstone that chitchat collected long ago deletes on both Wefts"""
    one = world.weft(1)
    grace = {"tombstone-grace-ms": 300}
    peer = world.chitchat_0_10(1010, seed=one.gossip_addr, **grace)
    peer.ask("set keep 1")
    peer.ask("set drop 1")
    reads(one, 1010, "keep", "1")
    reads(one, 1010, "drop", "1")

    peer.ask("del drop")
    eventually("collection", lambda: own_row(peer, 1010)["last_gc_version"] > 0)
    two = world.weft(2, seeds=[one.gossip_addr])
    for weft in (one, two):
        reads(weft, 1010, "keep", "1")
        reads(weft, 1010, "drop", None)


def own_row(peer, node_id):
    rows = peer.ask("members")["members"]
    return next(row for row in rows if row["id"] == f"node-{node_id}")


def more_than_a_datagram(world):
    """a state that takes many datagrams arrives whole on the other side"""
    cluster = Cluster(world)
    theirs = {f"big-{n:03}": os.urandom(400).hex() for n in range(300)}
    for key, value in theirs.items():
        cluster.old.ask(f"set {key} {value}")
    ours = {f"big-{n:03}": os.urandom(3000).hex() for n in range(40)}
    for key, value in ours.items():
        cluster.one.set(key, value)

    for weft in cluster.wefts:
        eventually(f"{weft}: their state", lambda: listed(weft, "1010") == theirs)
    for peer in cluster.chitchats:
        for key, value in ours.items():
            reads(peer, 1, key, value)


def listed(weft, node_id):
    rows = weft.json("kv", "ls", "big-", "--node", node_id)
    return {row["key"]: row["value"] for row in rows}


def a_new_generation_replaces_the_old(world):
    """a chitchat node that restarts replaces its old self: one row an id"""
    cluster = Cluster(world)
    cluster.old.ask("set life first")
    cluster.old.ask("set forgotten yes")
    for weft in cluster.wefts:
        reads(weft, 1010, "forgotten", "yes")
    before = {weft: row_of(weft, "1010")["generation"] for weft in cluster.wefts}

    cluster.old.kill()
    reborn = world.chitchat_0_10(1010, seed=cluster.two.gossip_addr, kv="life=second")
    for weft in cluster.wefts:
        reads(weft, 1010, "life", "second")
        expect("a key it no longer has", weft.get(1010, "forgotten"), None)
        eventually(f"{weft}: it lives", lambda: row_of(weft, "1010")["live"])
        row = row_of(weft, "1010")
        check("newer generation", int(row["generation"]) > int(before[weft]))
        expect("its new address", row["gossip_addr"], reborn.gossip_addr)


def row_of(weft, node_id):
    """The one row that `weft members` may show for an id."""
    rows = [row for row in weft.members() if row["id"] == node_id]
    expect(f"rows for {node_id}", len(rows), 1)
    return rows[0]


def a_weft_that_restarts_is_a_new_generation(world):
    """a Weft node that restarts is a new generation to chitchat"""
    cluster = Cluster(world)
    cluster.gather()
    cluster.two.set("life", "first")
    cluster.two.kill()

    reborn = world.weft(2, seeds=[cluster.one.gossip_addr])
    reborn.set("life", "second")
    for peer in cluster.chitchats:
        reads(peer, 2, "life", "second")
        eventually(f"{peer}: one live node-2", lambda: live_generations(peer) == 1)


def live_generations(peer):
    return sum(row["id"] == "node-2" for row in peer.ask("live")["live"])


def deaths_are_noticed(world):
    """a death on either side is noticed by the other"""
    cluster = Cluster(world)
    cluster.gather()

    cluster.new.kill()
    for weft in cluster.wefts:
        eventually(f"{weft}: its death", lambda: not row_of(weft, "1013")["live"])
    cluster.two.kill()
    survivors = ["node-1", "node-1010", "node-1014"]
    for node in (cluster.one, cluster.old, cluster.v1):
        eventually(f"{node}: Weft's death", lambda: node.live_ids() == survivors)


def a_leave_is_told(world):
    """a Weft node that leaves says so to chitchat before it goes"""
    cluster = Cluster(world)
    cluster.gather()
    eventually("ready", cluster.two.is_ready)
    expect("exit code of leave", cluster.two.run("leave").returncode, 0)
    for peer in cluster.chitchats:
        reads(peer, 2, "node:state", "left")
        eventually(f"{peer}: its absence", lambda: "node-2" not in peer.live_ids())


def a_foreign_cluster_is_refused(world):
    """nodes of another cluster are refused, whoever speaks first"""
    ours = world.weft(1)
    theirs = world.chitchat_0_10(1010, cluster="elsewhere")
    visitor = world.chitchat_0_13(1013, seed=ours.gossip_addr, cluster="elsewhere")
    guest = world.weft(2, seeds=[theirs.gossip_addr])

    eventually("the visitor was counted", lambda: dropped(ours) >= 3)
    eventually("the guest was answered", lambda: received(guest) >= 3)
    expect("members of ours", ours.live_ids(), ["node-1"])
    expect("rows of ours", len(ours.members()), 1)
    expect("rows of our guest", len(guest.members()), 1)
    expect("members of the visitor", len(visitor.ask("members")["members"]), 1)
    expect("members of theirs", len(theirs.ask("members")["members"]), 1)


def dropped(weft):
    return sum(weft.info()["gossip"]["dropped"].values())


def received(weft):
    return weft.info()["gossip"]["received"]["packets"]


STORIES = [
    everybody_sees_everybody,
    what_a_weft_publishes,
    keys_cross,
    deletions_cross,
    collected_deletions_stay_deleted,
    more_than_a_datagram,
    a_new_generation_replaces_the_old,
    a_weft_that_restarts_is_a_new_generation,
    deaths_are_noticed,
    a_leave_is_told,
    a_foreign_cluster_is_refused,
]
