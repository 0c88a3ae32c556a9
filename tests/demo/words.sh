# shellcheck shell=bash
# The demo itself: counts the words of a text on three nodes and checks the sum.
#
# tests/demo/loopback and docker/demo source this and say where the nodes live:
#   start_nodes, stop_nodes, show_logs
#   on NODE ARGS...   runs `weft ARGS` beside that node
# and then call `demo [FILE...]`. $work is theirs too, and goes away at the end.

export LC_ALL=C # sort, uniq and tr must agree on what a byte is

nodes=(a b c)
declare -A name=([a]=alpha [b]=beta [c]=gamma) # as conf/ and compose.yaml say
licences=(/usr/share/common-licenses/*)
rounds=50 # the licences alone are over before anybody has seen them pass
busiest=10

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

count_at() {
    on "$1" recv words --quiet --timeout 30s | sort | uniq -c >"$work/$1.counts"
}

shuffle_and_count() {
    local node sinks=()
    for node in "${nodes[@]}"; do
        count_at "$node" &
        sinks+=($!)
    done
    on a send words --sinks 3 --timeout 30s --output json \
        <"$work/text" >"$work/sent" || fail "the source failed"
    for node in "${nodes[@]}"; do
        wait "${sinks[0]}" || fail "the sink at $node failed"
        sinks=("${sinks[@]:1}")
    done
}

print_rate() {
    local records ms
    records=$(wc -l <"$work/text")
    ms=$(sed -n 's/.*"duration_ms": *\([0-9]*\).*/\1/p' "$work/sent")
    printf '  %s records in %s ms: %s records/s\n' "$(commas "$records")" \
        "$(commas "$ms")" "$(commas "$((records * 1000 / (ms > 0 ? ms : 1)))")"
}

print_shares() {
    local node words records
    printf '  %-16s %12s %12s\n' 'node' 'words' 'records'
    for node in "${nodes[@]}"; do
        read -r words records < <(awk '{ sum += $1 }
            END { printf "%d %d\n", NR, sum }' "$work/$node.counts")
        printf '  %-16s %12s %12s\n' "${name[$node]}" "$(commas "$words")" \
            "$(commas "$records")"
    done
}

print_busiest() {
    local count word node
    printf '  %-16s %12s %12s\n' 'word' 'count' 'node'
    for node in "${nodes[@]}"; do
        sed "s/\$/ ${name[$node]}/" "$work/$node.counts"
    done | sort -k1,1nr -k2,2 | sed -n "1,${busiest}p" |
        while read -r count word node; do
            printf '  %-16s %12s %12s\n' "$word" "$(commas "$count")" "$node"
        done
}

# One machine counts the same text; the three must have found just that.
compare() {
    sort "$work/text" | uniq -c | sort -k2 >"$work/expected"
    sort -k2 "$work"/[abc].counts >"$work/counted"
    if ! diff "$work/expected" "$work/counted" >"$work/difference"; then
        sed -n '1,20p' "$work/difference"
        fail "the counts differ (< one machine, > the three nodes)"
    fi
    say "identical: $(commas "$(wc -l <"$work/expected")") words, counted as" \
        "sort | uniq -c does on one machine"
}

demo() {
    collect "$@"
    exec </dev/null

    say "three nodes find each other"
    start_nodes
    await_nodes
    on a members --wait 3 --timeout 30s | sed 's/^/  /' ||
        fail "the nodes did not find each other"

    say "each word goes to the node that owns it, and is counted there"
    echo "  on each node  weft recv words | sort | uniq -c"
    echo "  on alpha      weft send words --sinks 3 < text"
    echo
    shuffle_and_count
    print_rate
    echo
    print_shares

    say "the busiest words"
    print_busiest
    compare
}
