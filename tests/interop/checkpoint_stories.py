"""Checkpoints of Weft and LaminarDB nodes together: either of them leads, the
other follows, and their barriers stand in each other's streams."""

import time

from peer_stories import barrier_row, data_row, phases_seen
from processes import INTERVAL_MS, check, eventually, expect
from shuffle_stories import received

# Short enough for stories in which somebody says nothing.
QUICK = {"checkpoint.align_timeout": "1s"}
PATIENT = {"checkpoint.patience": 0}


# --- LaminarDB leads ---


def led_by_laminar(world, settings=None):
    """LaminarDB as node 1, which leads two Wefts: 2 and 3."""
    laminar = world.laminar(1)
    seeds = [laminar.gossip_addr]
    wefts = [world.weft(n, seeds=seeds, settings=settings) for n in (2, 3)]
    live = {"leader": 1, "live": [1, 2, 3]}
    eventually("LaminarDB leads three", lambda: laminar.ask("leader") == live)
    for weft in wefts:
        eventually(f"{weft}: who leads", lambda: weft.info()["leader"] == "1")
    return laminar, wefts


def a_laminar_leader_commits(world):
    """LaminarDB's coordinator leads: two Wefts ack, and know the commit"""
    laminar, wefts = led_by_laminar(world)
    for epoch, checkpoint_id, watermark, known in (
        (5, 42, 700, 700),
        (6, 43, 600, 700),  # it only grows
        (9, 2**64 - 1, 2**63 - 1, 2**63 - 1),
    ):
        laminar.ask(f"announce Prepare {epoch} {checkpoint_id}")
        expect("quorum", quorum(laminar, epoch), reached())
        laminar.ask(f"announce Commit {epoch} {checkpoint_id} {watermark}")
        for weft in wefts:
            eventually(f"{weft}: it", lambda: outcome(weft, epoch) == "committed")
            expect("id", latest(weft)["checkpoint_id"], str(checkpoint_id))
            expect("watermark", weft.info()["checkpoint"]["watermark_ms"], known)
        rows = [barrier_row(int(weft.id), checkpoint_id, epoch, 0) for weft in wefts]
        eventually("our barriers", lambda: all(row in received(laminar) for row in rows))


def quorum(laminar, epoch, deadline_ms=10_000):
    answer = laminar.ask(f"quorum {epoch} 2,3 {deadline_ms}")
    return {**answer, "acks": sorted(answer["acks"])} if "acks" in answer else answer


def reached():
    return {"quorum": "reached", "acks": [2, 3], "watermark": None}


def latest(weft):
    """The latest attempt that a Weft node knows of."""
    attempts = ledger(weft)
    check(f"{weft} knows an attempt", attempts)
    return attempts[0]


def ledger(weft):
    return weft.json("info", "--checkpoints")


def outcome(weft, epoch):
    """Of the latest attempt at that epoch; None while it runs."""
    attempts = [row for row in ledger(weft) if row["epoch"] == str(epoch)]
    return attempts[0]["outcome"] if attempts else None


def a_laminar_leader_aborts_and_reuses(world):
    """LaminarDB aborts and uses the epoch again: another attempt to a Weft"""
    laminar, wefts = led_by_laminar(world)
    laminar.ask("announce Prepare 5 42")
    expect("quorum", quorum(laminar, 5), reached())
    laminar.ask("announce Abort 5 42")
    for weft in wefts:
        eventually(f"{weft}: the abort", lambda: outcome(weft, 5) == "aborted")

    laminar.ask("announce Prepare 5 42")
    for weft in wefts:
        eventually(f"{weft}: it again", lambda: acked(weft) and not decided(weft))
    # the next Prepare stands in this Abort's place before anybody sees it
    laminar.ask("announce Abort 5 42")
    laminar.ask("announce Prepare 5 42")
    for weft in wefts:
        eventually(f"{weft}: once more", lambda: len(ledger(weft)) == 3 and acked(weft))
    laminar.ask("announce Commit 5 42")
    for weft in wefts:
        eventually(f"{weft}: the commit", lambda: outcome(weft, 5) == "committed")
        attempts = [int(row["attempt"]) for row in ledger(weft)]
        check("attempts rise", attempts == sorted(set(attempts), reverse=True))


def acked(weft):
    return latest(weft)["acked_us"] is not None


def decided(weft):
    return latest(weft)["outcome"] is not None


def a_laminar_leader_is_refused(world):
    """a Weft that lacks LaminarDB's barrier refuses, and says what it lacks"""
    laminar, (weft, _) = led_by_laminar(world, settings=QUICK)
    recv = world.raw_recv(weft)
    eventually("our address", lambda: laminar.ask("lookup 2")["addr"])
    laminar.ask("send-batch 2 7 3")
    recv.record()

    laminar.ask("announce Prepare 5 42")
    answer = quorum(laminar, 5)
    expect("quorum", answer["quorum"], "failed")
    ((refuser, why),) = answer["failures"]
    expect("who refuses", refuser, 2)
    check(f"it lacks LaminarDB's barrier: {why}", "barrier of node 1" in why)
    laminar.ask("announce Abort 5 42")

    laminar.ask("announce Prepare 6 43")
    laminar.ask("fanout 43 6 0 2")
    expect("quorum", quorum(laminar, 6), reached())
    laminar.ask("announce Commit 6 43")
    eventually("the commit", lambda: outcome(weft, 6) == "committed")


# --- Weft leads ---


def led_by_weft(world, followers=1, settings=None):
    """Weft as node 1, which leads LaminarDB nodes: 2001 and so on."""
    weft = world.weft(1, settings=settings)
    ids = range(2001, 2001 + followers)
    laminars = [world.laminar(n, seed=weft.gossip_addr) for n in ids]
    for laminar in laminars:
        live = {"leader": 1, "live": [1, *ids]}
        eventually(f"{laminar}: who leads", lambda: laminar.ask("leader") == live)
    wanted = sorted(["node-1", *(f"node-{n}" for n in ids)])
    eventually("we see them", lambda: weft.live_ids() == wanted)
    return weft, laminars


def a_laminar_follower_commits(world):
    """LaminarDB follows Weft: commits take two gossip rounds, watermarks cross"""
    weft, (first, second) = led_by_weft(world, followers=2)
    quickest = None
    for mine, yours, least, known in (
        (700, 900, 700, 700),
        (1000, 800, 800, 800),
        (500, 600, 800, 800),  # it only grows
    ):
        first.ask(f"follow ok {mine}")
        second.ask(f"follow ok {yours}")
        done = world.barrier(weft).result()
        expect("exit and outcome", (done["exit"], done["outcome"]), (0, "committed"))
        expect("participants", done["participants"], ["1", "2001", "2002"])
        quickest = min(quickest or done["duration_us"], done["duration_us"])
        for laminar in (first, second):
            eventually(f"{laminar}: {known}", lambda: watermark(laminar) == known)
            whole = ["Prepare", "Commit"]
            epoch = int(done["epoch"])
            eventually("the commit", lambda: phases_seen(laminar, epoch) == whole)
        expect("watermark", weft.info()["checkpoint"]["watermark_ms"], known)
    check(f"two rounds, not {quickest} us", quickest < 3 * INTERVAL_MS * 1000)


def watermark(laminar):
    return laminar.ask("observed")["watermark"]


def a_laminar_follower_refuses(world):
    """LaminarDB refuses or says nothing: the abort says who, and why"""
    weft, (ready, sick) = led_by_weft(world, 2, settings={**QUICK, **PATIENT})
    ready.ask("follow ok")
    sick.ask('follow fail disk "full", größer')
    aborted = world.barrier(weft).result()
    expect("exit and outcome", (aborted["exit"], aborted["outcome"]), (1, "aborted"))
    expect("whom it was lost to", aborted["missing"], ["2002"])
    check("its words are in the reason", 'disk "full", größer' in aborted["reason"])
    for laminar in (ready, sick):
        epoch = int(aborted["epoch"])
        eventually("the abort", lambda: phases_seen(laminar, epoch)[-1:] == ["Abort"])

    sick.ask("follow silent")
    aborted = world.barrier(weft).result()
    expect("exit and outcome", (aborted["exit"], aborted["outcome"]), (1, "aborted"))
    expect("who was silent", aborted["missing"], ["2002"])
    check("the reason names it", "2002" in aborted["reason"])
    check("after align_timeout", 1_000_000 <= aborted["duration_us"] < 3_000_000)

    sick.ask("follow ok")
    expect("well again", world.barrier(weft).result()["outcome"], "committed")


def a_sick_laminar_is_left_out(world):
    """LaminarDB is left out after two failures, and takes part in its next life"""
    weft, (sick,) = led_by_weft(world, settings=QUICK)
    sick.ask("follow fail no disk")
    for _ in range(2):
        expect("lost", world.barrier(weft).result()["missing"], ["2001"])
    alone = world.barrier(weft).result()
    expect("without it", (alone["outcome"], alone["participants"]), ("committed", ["1"]))

    sick.kill()
    well = world.laminar(2001, seed=weft.gossip_addr)
    well.ask("follow ok")
    there = well.gossip_addr
    eventually("it is back", lambda: is_active_at(weft, 2001, there))
    together = world.barrier(weft).result()
    expect("outcome", together["outcome"], "committed")
    expect("with it", together["participants"], ["1", "2001"])


def an_older_life_does_not_count(world):
    """acks of LaminarDB's older generation count neither twice nor for the new"""
    weft, (older, other) = led_by_weft(world, 2, settings={**QUICK, **PATIENT})
    newer = world.laminar(2001, seed=weft.gossip_addr)
    eventually("the newer life", lambda: is_active_at(weft, 2001, newer.gossip_addr))
    for laminar, answer in ((older, "ok"), (newer, "silent"), (other, "ok")):
        laminar.ask(f"follow {answer}")
    aborted = world.barrier(weft).result()
    expect("outcome", aborted["outcome"], "aborted")
    expect("whom it was lost to", aborted["missing"], ["2001"])
    epoch = int(aborted["epoch"])
    check("the older life has seen it", "Prepare" in phases_seen(older, epoch))

    newer.ask("follow ok")
    expect("outcome", world.barrier(weft).result()["outcome"], "committed")


def is_active_at(weft, node_id, gossip_addr):
    (row,) = [row for row in weft.members() if row["id"] == str(node_id)]
    where_and_how = (row["gossip_addr"], row["live"], row["state"])
    return where_and_how == (gossip_addr, True, "active")


def a_weft_leader_restarts(world):
    """a Weft that restarts and leads again commits with LaminarDB, epochs rise"""
    settings = {**QUICK, **PATIENT}
    weft = world.weft(1, settings=settings)
    # LaminarDB reads what the dead generation announced until it forgets it
    grace = {"dead-grace-ms": 1000}
    laminar = world.laminar(2001, seed=weft.gossip_addr, **grace)
    live = {"leader": 1, "live": [1, 2001]}
    eventually("who leads", lambda: laminar.ask("leader") == live)
    eventually("we see it", lambda: weft.live_ids() == ["node-1", "node-2001"])
    laminar.ask("follow ok")
    for _ in range(3):
        before = world.barrier(weft).result()
        expect("outcome", before["outcome"], "committed")

    weft.kill()
    reborn = world.weft(1, seeds=[laminar.gossip_addr], settings=settings)
    eventually("who leads", lambda: reborn.info()["leader"] == "1")
    after = eventually("a commit", lambda: committed(world, reborn))
    expect("participants", after["participants"], ["1", "2001"])
    check("a higher epoch", int(after["epoch"]) > int(before["epoch"]))


def committed(world, weft):
    done = world.barrier(weft).result()
    return done if done["outcome"] == "committed" else None


# --- barriers in streams ---


def with_two_senders(world, settings=None):
    """A Weft that leads, its sink, and two LaminarDB nodes whose data flows there."""
    weft, laminars = led_by_weft(world, 2, settings)
    recv = world.raw_recv(weft)
    for laminar in laminars:
        laminar.ask("follow ok")
        eventually("our address", lambda: laminar.ask("lookup 1")["addr"])
        laminar.ask("send-batch 1 0 3")
        recv.record()
    return weft, recv, laminars


def the_cut_is_behind_what_came_before(world):
    """the cut at a Weft sink is exactly where LaminarDB's barriers are"""
    weft, recv, (early, late) = with_two_senders(world)
    before = 2
    order = None
    for vnode in (10, 20, 30):
        barrier = world.barrier(weft)
        order = prepared((early, late), after=order)
        early.ask(f"fanout {ids(order)} 0 1")
        early.ask(f"send-batch 1 {vnode} 3")
        late.ask(f"send-batch 1 {vnode + 1} 3")
        # the late one's is in the cut: it comes before what was sent earlier
        expect("in the cut", recv.record()[:2], (2002, vnode + 1))
        check("it waits for the other barrier", not barrier.has_ended())

        late.ask(f"fanout {ids(order)} 0 1")
        expect("behind the cut", recv.record()[:2], (2001, vnode))
        done = barrier.result()
        expect("outcome", done["outcome"], "committed")
        expect("ids", ids(done), ids(order))
        cut = f"epoch {done['epoch']} committed, {before + 1} records before it"
        eventually(cut, lambda: recv.has_said(cut))
        before += 2
        row = barrier_row(1, order["checkpoint_id"], order["epoch"], 0)
        for laminar in (early, late):
            eventually("our barrier", lambda: received(laminar)[-1:] == [row])
    for laminar in (early, late):
        expect("one barrier a checkpoint", len(received(laminar)), 3)


def prepared(laminars, after=None):
    """Waits for a Prepare, of a later epoch than `after`, at LaminarDB's followers."""

    def seen():
        latest = [laminar.ask("observed")["observed"][-1:] for laminar in laminars]
        return latest[0] if all(is_new(rows, latest[0]) for rows in latest) else None

    def is_new(rows, wanted):
        is_prepare = rows == wanted and rows and rows[0]["phase"] == "Prepare"
        return is_prepare and (after is None or rows[0]["epoch"] > after["epoch"])

    return eventually("Prepare", seen)[0]


def ids(record):
    """As `fanout` takes them: an announcement's, or those `weft barrier` prints."""
    return f"{record['checkpoint_id']} {record['epoch']}"


def an_abort_lets_the_parked_flow(world):
    """LaminarDB's barrier is missing: the abort says so, and nothing is held"""
    weft, recv, (early, late) = with_two_senders(world, {**QUICK, **PATIENT})
    barrier = world.barrier(weft)
    order = prepared((early, late))
    early.ask(f"fanout {ids(order)} 0 1")
    early.ask("send-batch 1 5 3")
    aborted = barrier.result()
    expect("outcome", aborted["outcome"], "aborted")
    expect("whom it was lost to", aborted["missing"], ["2002"])
    why = aborted["reason"]
    check(f"what is lacking: {why}", "barrier of node 2002" in why)
    expect("what was parked", recv.record()[:2], (2001, 5))

    late.ask(f"fanout {ids(order)} 0 1")  # of no use any more
    late.ask("send-batch 1 6 3")
    since = time.monotonic()
    expect("what comes behind it", recv.record()[:2], (2002, 6))
    check("it is not parked until a timeout", time.monotonic() - since < 0.8)
    barrier = world.barrier(weft)
    order = prepared((early, late), after=order)
    for laminar in (early, late):
        laminar.ask(f"fanout {ids(order)} 0 1")
    expect("the next", barrier.result()["outcome"], "committed")


def our_barrier_is_behind_our_data(world):
    """a Weft's barrier reaches LaminarDB between what was sent before and after"""
    weft, (laminar,) = led_by_weft(world)
    laminar.ask("follow ok")
    arrow = laminar.ask("encode 3 word")["arrow"]
    send = world.raw_send(weft, 2001)
    wanted = []
    for vnode in (5, 6):
        send.record(vnode, bytes.fromhex(arrow))
        wanted.append(data_row(1, vnode, 3, arrow))
        eventually("the data", lambda: received(laminar) == wanted)
        done = world.barrier(weft).result()
        expect("outcome", done["outcome"], "committed")
        numbers = int(done["checkpoint_id"]), int(done["epoch"])
        wanted.append(barrier_row(1, *numbers, 0))
        eventually("the barrier", lambda: received(laminar) == wanted)
    expect("exit code of weft send", send.end(), 0)


STORIES = [
    a_laminar_leader_commits,
    a_laminar_leader_aborts_and_reuses,
    a_laminar_leader_is_refused,
    a_laminar_follower_commits,
    a_laminar_follower_refuses,
    a_sick_laminar_is_left_out,
    an_older_life_does_not_count,
    a_weft_leader_restarts,
    the_cut_is_behind_what_came_before,
    an_abort_lets_the_parked_flow,
    our_barrier_is_behind_our_data,
]
