# shellcheck shell=bash
# The demo itself: counts the words of a text on three nodes and checks the sum;
# once with a checkpoint half-way, once while a node leaves.
#
# tests/demo/loopback and docker/demo source this and say where the nodes live:
#   start_nodes, stop_nodes, show_logs
#   on NODE ARGS...   runs `weft ARGS` beside that node
#   terminate NODE    sends it SIGTERM
# and then call `demo [FILE...]`. $work is theirs too, and goes away at the end.

export LC_ALL=C # sort, uniq and tr must agree on what a byte is

nodes=(a b c)
declare -A name=([a]=alpha [b]=beta [c]=gamma) # as conf/ and compose.yaml say
licences=(/usr/share/common-licenses/*)
rounds=51 # the licences alone are over before anybody has seen them pass
busiest=5

# Short, because the path of a socket has room for about 100 bytes.
work=$(mktemp -d /tmp/weft-demo.XXXXXX)
trap finish EXIT
trap 'exit 130' INT TERM

bold='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    bold=$'\e[1m' plain=$'\e[0m'
fi

finish() {
    stop_nodes
    wait # the sinks end with their node
    rm -rf "$work"
}

say() {
    printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

fail() {
    printf '\n%s\n' "demo: $*" >&2
    show_logs >&2
    exit 1
}

commas() {
    local number=$1 tail=''
    while ((${#number} > 3)); do
        tail=,${number: -3}$tail
        number=${number:0:-3}
    done
    printf '%s' "$number$tail"
}

words_of() {
    cat -- "$@" | tr '[:upper:]' '[:lower:]' |
        tr -s '[:space:][:punct:][:cntrl:]' '\n' | sed '/^$/d'
}

collect() {
    local round
    if (($#)); then
        words_of "$@" >"$work/text"
    else
        words_of "${licences[@]}" >"$work/once"
        for ((round = 0; round < rounds; round++)); do
            cat "$work/once"
        done >"$work/text"
    fi
    [[ -s $work/text ]] || fail "there is no word in $*"
    half=$((($(wc -l <"$work/text") + 1) / 2)) # one at least, to see it begin
}

# Exit 1 is an answer as well: not ready yet.
answers() {
    local code=0
    on "$1" health >/dev/null 2>&1 || code=$?
    ((code <= 1))
}

await_nodes() {
    local node deadline=$((SECONDS + 20))
    for node in "${nodes[@]}"; do
        until answers "$node"; do
            ((SECONDS < deadline)) || fail "node $node does not answer"
            sleep 0.1
        done
    done
}

# --- one run: a sink at each node, a source at a ---

count_at() {
    on "$1" recv "$stage" --marks --quiet --timeout 30s 2>"$work/$1.marks" |
        sort | uniq -c >"$work/$1.counts"
}

# How much of the text node a has taken from its source.
read_so_far() {
    on a info --output json | tr -d ' \n' |
        sed -n "s/.*\"name\":\"$stage\"[^}]*\"records_in\":\([0-9]*\).*/\1/p"
}

await_half() {
    local deadline=$((SECONDS + 20))
    until [[ $(read_so_far) == "$half" ]]; do
        ((SECONDS < deadline)) || fail "node a does not read what it was given"
        sleep 0.02
    done
}

# feed COMMAND...: one half of the text, what is to happen then, the other half.
feed() {
    local pipe
    exec {pipe}>"$work/pipe"
    head -n "$half" "$work/text" >&"$pipe" || fail "the source ended early"
    await_half
    "$@"
    tail -n "+$((half + 1))" "$work/text" >&"$pipe" ||
        fail "the source ended early"
    exec {pipe}>&-
}

# run STAGE COMMAND...: the whole text, and what is to happen half-way.
run() {
    local node source sinks=()
    stage=$1
    for node in "${nodes[@]}"; do
        count_at "$node" &
        sinks+=($!)
    done
    on a send "$stage" --sinks 3 --timeout 30s --output json \
        <"$work/pipe" >"$work/sent" &
    source=$!
    feed "${@:2}"
    wait "$source" || fail "the source failed"
    for node in "${nodes[@]}"; do
        wait "${sinks[0]}" ||
            fail "the sink at $node failed: $(cat "$work/$node.marks")"
        sinks=("${sinks[@]:1}")
    done
}

checkpoint() {
    on b barrier >"$work/barrier" || fail "$(cat "$work/barrier")"
}

# --- what has come of it ---

# field NAME FILE: a number in a JSON object.
field() {
    sed -n "s/.*\"$1\": *\"*\([0-9]*\).*/\1/p" "$2"
}

# The last "epoch 5 committed, 1,204 records before it" of a sink, as a number.
before_cut() {
    sed -n 's/.* committed, \([0-9,]*\) record.*/\1/p' "$work/$1.marks" |
        tail -n 1 | tr -d ,
}

print_row() {
    printf '  %-12s %14s %14s %16s\n' "$@"
}

# Per node, and in all: that sum is also $all_before, $all_records, $all_words.
print_shares() {
    local node words records before
    all_words=0 all_records=0 all_before=0
    print_row node words records 'before the cut'
    for node in "${nodes[@]}"; do
        read -r words records < <(awk '{ sum += $1 }
            END { printf "%d %d\n", NR, sum }' "$work/$node.counts")
        before=$(before_cut "$node")
        print_row "${name[$node]}" "$(commas "$words")" \
            "$(commas "$records")" "$(commas "${before:--}")"
        all_words=$((all_words + words))
        all_records=$((all_records + records))
        all_before=$((all_before + ${before:-0}))
    done
    print_row 'all three' "$(commas "$all_words")" "$(commas "$all_records")" \
        "$(commas "$all_before")"
}

print_busiest() {
    local count word node
    printf '  %-12s %14s %14s\n' 'busiest word' count node
    for node in "${nodes[@]}"; do
        sed "s/\$/ ${name[$node]}/" "$work/$node.counts"
    done | sort -k1,1nr -k2,2 | sed -n "1,${busiest}p" |
        while read -r count word node; do
            printf '  %-12s %14s %14s\n' "$word" "$(commas "$count")" "$node"
        done
}

# What stands before the cut is what had been read, as all of them say.
check_cut() {
    local committed
    committed=$(field committed_records "$work/sent")
    ((all_before == half && committed == half)) ||
        fail "$(commas "$half") records had been read; the source says" \
            "$(commas "${committed:-0}"), the sinks $(commas "$all_before")"
    echo "  which is all that alpha had read by then, and nothing else"
}

words_at_two() {
    awk '{ print $2 }' "$work"/[abc].counts | sort | uniq -d
}

# One machine counts the same text; the three must have found just that.
compare() {
    sort "$work/text" | uniq -c | awk '{ print $2, $1 }' |
        sort >"$work/expected"
    awk '{ sum[$2] += $1 } END { for (word in sum) print word, sum[word] }' \
        "$work"/[abc].counts | sort >"$work/counted"
    if ! diff "$work/expected" "$work/counted" >"$work/difference"; then
        sed -n '1,20p' "$work/difference"
        fail "the counts differ (< one machine, > the three nodes)"
    fi
    say "identical: $(commas "$(wc -l <"$work/expected")") words, counted as" \
        "sort | uniq -c does on one machine"
}

demo() {
    collect "$@"
    mkfifo "$work/pipe"
    exec </dev/null

    say "three nodes find each other"
    start_nodes
    await_nodes
    on a members --wait 3 --timeout 30s | sed 's/^/  /' ||
        fail "the nodes did not find each other"

    say "each word is counted at the node that owns it; half-way, a checkpoint"
    echo "  on each node   weft recv words --marks | sort | uniq -c"
    echo "  on alpha       weft send words --sinks 3 < text"
    run words checkpoint
    echo "  half-way       weft barrier:  $(cat "$work/barrier")"
    echo
    print_shares
    check_cut
    echo
    print_busiest
    [[ -z $(words_at_two) ]] || fail "these words stand at two nodes:" \
        "$(words_at_two | head -n 5 | tr '\n' ' ')"
    compare

    say "the same again, and half-way gamma gets SIGTERM"
    run again terminate c
    print_shares
    echo "  at that cut, $(words_at_two | wc -l) words moved to another node"
    compare
}
