#!/usr/bin/env bash
# test_packages.sh SOURCE_DIR C_COMPILER [LAUNCHER]: makes the Debian packages and looks into them:
# contents, dependencies, lintian, the service's hardening; then installs them into a copy of this
# system that is thrown away, or at least unpacks and runs what is in them.
set -euo pipefail
source=$1 cc=$2 launcher=${3:-}
for tool in cpack dpkg-deb dpkg-shlibdeps; do
    command -v $tool >/dev/null || { echo "no $tool here"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0 skipped=()
fault() { echo "FAULT: $*"; failed=1; }
step() { echo "-- $*"; }

step "build and pack"
cmake -S "$source" -B "$work/build" -DCMAKE_INSTALL_PREFIX=/usr -DPANICMON_TESTS=OFF \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_COMPILER_LAUNCHER="$launcher" >"$work/log" 2>&1 &&
    cmake --build "$work/build" -j "$(nproc)" >>"$work/log" 2>&1 &&
    (cd "$work/build" && cpack -B "$work/packages") >>"$work/log" 2>&1 || {
    tail -n 40 "$work/log"
    exit 1
}
cd "$work/packages"
packages=(libpanicmon1_*.deb libpanicmon-dev_*.deb panicmond_*.deb python3-panicmon_*_all.deb)
ls "${packages[@]}"

step "contents"
for package in "${packages[@]}"; do
    dpkg-deb -x "$package" "$work/tree"
    dpkg-deb -c "$package" | grep -vE ' root/root ' && fault "$package: not all is root's"
done
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || "$cc" -dumpmachine)
for file in usr/lib/$triplet/libpanicmon.so.1 usr/lib/$triplet/libpanicmon.so \
    usr/lib/$triplet/libpanicmon.a usr/lib/$triplet/pkgconfig/panicmon.pc usr/bin/panicmond \
    usr/include/panicmon/panicmon.h usr/share/man/man8/panicmond.8.gz \
    usr/share/man/man1/panicmon-scale.1.gz usr/share/man/man5/panicmond.conf.5.gz usr/share/man/man3/libpanicmon.3.gz \
    usr/share/bash-completion/completions/panicmond lib/systemd/system/panicmond.service \
    etc/panicmon/panicmond.json usr/lib/python3/dist-packages/panicmon/__init__.py; do
    [ -e "$work/tree/$file" ] || fault "no package has $file"
done
[ "$(dpkg-deb -I panicmond_*.deb conffiles)" = /etc/panicmon/panicmond.json ] || fault "conffiles"
readelf -d "$work/tree/usr/bin/panicmond" | grep -E 'RPATH|RUNPATH' >/dev/null && fault "panicmond has a run path"
dpkg-deb -f libpanicmon1_*.deb Depends | grep 'libwebsockets17' >/dev/null || fault "libpanicmon1: Depends"
dpkg-deb -f panicmond_*.deb Depends | grep 'libpanicmon1 (>= 1' >/dev/null || fault "panicmond: Depends"
dpkg-deb -I libpanicmon1_*.deb shlibs | grep '^libpanicmon 1 libpanicmon1' >/dev/null || fault "shlibs"

step "run what was unpacked"
export LD_LIBRARY_PATH=$work/tree/usr/lib/$triplet
"$work/tree/usr/bin/panicmond" --version
"$work/tree/usr/bin/panicmond" --check-config -c "$work/tree/etc/panicmon/panicmond.json"
PYTHONPATH=$work/tree/usr/lib/python3/dist-packages PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -c \
    'import panicmon; print("python3-panicmon", panicmon.__version__, panicmon.library_version())'
unset LD_LIBRARY_PATH

step "install for good, in a copy"
cat >"$work/install.sh" <<'INSTALL'
set -e
work=$1
mkdir "$work/over"
mount -t tmpfs tmpfs "$work/over"
mkdir "$work/over/upper" "$work/over/work" "$work/over/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/over/upper,workdir=$work/over/work" "$work/over/root" ||
    exit 77
mount -t proc proc "$work/over/root/proc" || exit 77
mount --bind /dev "$work/over/root/dev" || exit 77
mkdir "$work/over/root/packages"
cp "$work"/packages/*.deb "$work/over/root/packages"
exec chroot "$work/over/root" bash -ec '
    dpkg -i /packages/*.deb
    panicmond --version
    cd / && /usr/bin/python3 -c "import panicmon"
    printf "#include <panicmon/panicmon.h>\nint main(void) { return panicmon_version()[0] != 49; }\n" >/m.c
    '"$2"' /m.c -o /m $(pkg-config --cflags --libs panicmon) && /m
    echo "{}" >/etc/panicmon/panicmond.json
    dpkg -r libpanicmon-dev python3-panicmon panicmond libpanicmon1
    [ -e /etc/panicmon/panicmond.json ]
    dpkg -P panicmond
    [ ! -e /etc/panicmon/panicmond.json ] && [ ! -e /usr/bin/panicmond ]
    [ ! -e /usr/lib/python3/dist-packages/panicmon ]
'
INSTALL
rc=77
! command -v unshare >/dev/null || { unshare --mount --fork bash "$work/install.sh" "$work" "$cc" \
    >"$work/log" 2>&1 && rc=0 || rc=$?; }
case $rc in
0) grep -c '^Setting up' "$work/log" ;;
*)
    if grep -q '(Reading database' "$work/log" 2>/dev/null; then
        tail -n 30 "$work/log"
        fault "installing ($rc)"
    else
        skipped+=("installing needs a mount namespace with overlayfs")
    fi
    ;;
esac

step "lintian"
if command -v lintian >/dev/null; then
    lintian --allow-root --fail-on error "${packages[@]}" || fault "lintian finds errors"
else
    skipped+=("no lintian")
fi

step "the service"
if command -v systemd-analyze >/dev/null; then
    unit=$work/tree/lib/systemd/system/panicmond.service
    systemd-analyze security --offline=true --threshold=30 "$unit" >"$work/log" 2>&1 ||
        { tail -n 3 "$work/log"; fault "the service is exposed more than 3.0"; }
    tail -n 1 "$work/log"
    # Other units are not in the tree; what matters is that every line of ours is understood.
    systemd-analyze verify --man=no --root="$work/tree" panicmond.service >"$work/log" 2>&1 || true
    ! grep -E 'panicmond\.service:[0-9]+:' "$work/log" || fault "the unit is not understood"
else
    skipped+=("no systemd-analyze")
fi
[ $failed = 0 ] || exit 1
[ ${#skipped[@]} = 0 ] || { printf '%s\n' "${skipped[@]}"; exit 77; }
