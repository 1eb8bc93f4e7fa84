# shellcheck shell=bash
# Completion of panicmon-scale for bash.

_panicmon_scale() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words
    case $previous in
    --metadata)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --form) words='canon polkadot-js' ;;
    --big) words='hex decimal' ;;
    --storage | --constant | --type) return ;;
    panicmon-scale) words='list key decode encode batch --help --version' ;;
    *) words='--metadata --json --form --big --storage --constant --type --help --version' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _panicmon_scale panicmon-scale
