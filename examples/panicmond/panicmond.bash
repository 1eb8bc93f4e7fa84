# shellcheck shell=bash
# Completion of panicmond for bash.

_panicmond() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words
    case $previous in
    -c | --config)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --format) words='json table' ;;
    --executor) words='events threads rounds queue' ;;
    --log-level) words='error warning info debug' ;;
    --listen) words='127.0.0.1:9616' ;;
    --node | --period) return ;;
    *) words='-c --config --node --once --period --executor --format --listen --check-config
              --log-level --version --help' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _panicmond panicmond
