# shellcheck shell=bash
# packages.sh: installs Debian packages that are missing. To be sourced by bash.

# What building the library and its examples needs.
# shellcheck disable=SC2034 # used by who sources this
build_packages=(build-essential cmake pkg-config librabbitmq-dev libhiredis-dev libwebsockets-dev
                libwebsockets-evlib-ev libev-dev libjansson-dev libcurl4-openssl-dev libmicrohttpd-dev
                libssl-dev zlib1g-dev libxxhash-dev libb2-dev)

# install_packages NAME...: does nothing, and needs no network, when all are there.
install_packages() {
    local missing=() sudo=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        echo "these packages are missing and there is no apt-get to install them: ${missing[*]}" >&2
        return 1
    fi
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || {
            echo "these packages are missing; install them as root: ${missing[*]}" >&2
            return 1
        }
        sudo=(sudo)
    fi
    echo "installing: ${missing[*]}" >&2
    "${sudo[@]}" apt-get update -qq >&2 &&
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends "${missing[@]}" >/dev/null
}
