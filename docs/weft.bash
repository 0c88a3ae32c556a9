# shellcheck shell=bash
# Completion for bash: asks `weft --help`, and so knows what the program knows.

# Help prints a command, and also a flag, at the beginning of an indented line.
_weft_commands() {
    weft "$@" --help 2>/dev/null |
        sed -n "s/^  ${1:+$1 }\([a-z][a-z-]*\) .*/\1/p" | sort -u
}

_weft_flags() {
    weft "$@" --help 2>/dev/null |
        sed -n 's/^  [ -][ a-zA-Z][ ,] \(--[a-z-]*\) .*/\1/p'
}

# What --set takes, as the file that --show prints names it.
_weft_settings() {
    weft check-config --show /dev/null 2>/dev/null | awk '
        /^\[/ { section = substr($0, 2, length($0) - 2) }
        /^[a-z]/ { print section "." $1 "=" }' | sort -u
}

# The command on the line so far, without flags and their values: `kv get`.
_weft_command() {
    local word
    while (($#)); do
        word=$1
        shift
        case $word in
        -[csSo] | --config | --set | --socket | --output | --timeout)
            shift || return 0
            ;;
        -*) ;;
        kv)
            echo kv
            ;;
        *)
            echo "$word"
            return
            ;;
        esac
    done
}

_weft() {
    local word=$2 previous=$3 command choices=''
    mapfile -t command < <(
        _weft_command "${COMP_WORDS[@]:1:COMP_CWORD-1}"
    )
    case $previous in
    -o | --output) choices='text json' ;;
    -s | --set)
        choices=$(_weft_settings)
        compopt -o nospace
        ;;
    -[cS] | --config | --socket | --timeout) ;;
    *)
        if [[ $word == -* ]]; then
            choices=$(_weft_flags "${command[@]}")
        elif [[ ${#command[@]} == 0 || ${command[*]} == kv ]]; then
            choices=$(_weft_commands "${command[@]}")
        fi
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

complete -o default -F _weft weft
