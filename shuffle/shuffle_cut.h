/* A cut through the streams of this node: its part in one checkpoint.
 *
 * The leader's Prepare reaches every listed member, and each begins its cut:
 *
 *   (none) ──begin──► ALIGNING ──► WRITING ──► WRITTEN ──outcome──► (none)
 *                         └────────────┴── failed, cancelled ───────►
 *
 *   begin     MARK goes into every stream of our sources, behind what was read
 *             from their programs; it carries how many records are before it,
 *             so it need not wait behind them. Then Barrier (02) goes to every
 *             other listed member, behind those MARKs.
 *   ALIGNING  what comes behind a MARK is parked in its stream's window. A
 *             stage is aligned when every stream that is open at our sink of
 *             it has marked; the node, when all its stages are and the Barrier
 *             of every other listed Weft member has come.
 *   WRITING   each local sink gets MARK behind the last record before the cut
 *             and echoes it when all of them are written. What was parked
 *             flows on behind that MARK: nobody waits for the outcome.
 *   WRITTEN   all sinks have echoed, and all has been said to the node: it may
 *             acknowledge. Whatever breaks from here on is behind the cut. On a
 *             link that has broken, MARKs and Barrier go again until there is
 *             an outcome, but not when a source has failed meanwhile: its
 *             records may be missing where the Barrier would say that none are.
 *
 * One cut is announced at a time; a further `begin` ends the one before it. What
 * comes of cuts whose Prepare has not come yet (other members are quicker than
 * the leader's word) parks as well: SHUFFLE_CUTS_MAX of them, of which the
 * oldest goes first, and none for longer than `align_timeout`. MARKs and
 * Barriers of a cut that is decided, or was let go, are skipped.
 *
 * Streams of members that are not listed have no place in a cut, for nobody
 * marks them: an OPEN of such a node waits for the outcome, and a stream that
 * is open is lost (in), or must be confirmed to its last record or else fails
 * its source (out). Only a sick member's are, which the leader left out.
 *
 * Rotation. For the stages that `begin` names, nothing is taken from local
 * sources between their marks and the outcome. A commit brings their new
 * placements: streams to nodes that are no longer in one end with MARK DRAIN,
 * new ones are opened, the others go on; a sink that is no longer in it ends
 * its run when all its streams have drained. After `aborted` or `unknown` the
 * old placement goes on; a commit that is learned of only after `unknown` fails
 * the sources of those stages here (FAIL 3), so that no key moves off the cut.
 *
 * LaminarDB members know no MARK. A member that speaks no Weft is waited for
 * only if VnodeData has come on a link of its that is open; behind its 02 that
 * link stays unread until we are aligned or the attempt ends. The stage
 * `laminar` is cut like any other.
 *
 * (Chandy and Lamport 1985; with aligned, in-band barriers as Carbone et al.
 * 2015 have them. docs/wire.md, "Checkpoints" has the messages.) */
#pragma once

#include "shuffle/shuffle_wire.h"

enum {
    SHUFFLE_CUTS_MAX = 4, /* whose Prepare has not come */
    SHUFFLE_CUT_DECIDED_MAX = 64, /* numbers of cuts that are over */
    SHUFFLE_CUT_TEXT_BYTES = 256,
};

/* A member that the attempt is for. */
struct shuffle_cut_member {
    uint64_t id;
    bool speaks_weft;
};

/* What Prepare asks of the streams. Everything is copied. */
struct shuffle_cut_order {
    uint64_t checkpoint; /* of this attempt alone; in MARK, and in Weft's 02 */
    uint64_t announced; /* as LaminarDB members know it: in their 02 */
    uint64_t epoch;
    const struct shuffle_cut_member *members; /* all but us; ascending ids */
    size_t members_count;
    const struct bytes *rotate; /* names of stages */
    size_t rotate_count;
};

/* The new placement of a stage, as Commit has it. */
struct shuffle_cut_place {
    struct bytes stage;
    struct shuffle_wire_sinks sinks;
};

struct shuffle_cut_outcome {
    uint64_t checkpoint;
    uint64_t epoch;
    enum shuffle_outcome_code code;
    const char *text; /* for the programs: why it was aborted; or empty */
    const struct shuffle_cut_place *places;
    size_t places_count;
};

/* What a cut has come to; the node hears of each once, in this order. */
enum shuffle_cut_event {
    SHUFFLE_CUT_MARKED, /* our MARKs are out, and our Barriers on their way */
    SHUFFLE_CUT_ALIGNED, /* all that must come has come */
    SHUFFLE_CUT_WRITTEN, /* all local sinks have echoed: acknowledge */
    SHUFFLE_CUT_FAILED, /* `text` says why, `peer` who (0 = nobody): refuse */
};

/* What is lacking yet: "barrier of node 3; stage words, 41 KiB unread". */
struct shuffle_cut_lack {
    char text[SHUFFLE_CUT_TEXT_BYTES]; /* empty: nothing */
    const uint64_t *nodes; /* whose Barrier or MARK has not come; borrowed */
    size_t nodes_count;
};
