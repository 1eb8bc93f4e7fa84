#!/usr/bin/env bash
# test_python.sh WHICH SOURCE_DIR C_COMPILER LIBRARY WHAT: the tests of the Python binding.
#   WHICH  system: Debian's python3; newest: the newest other python3 that is to be found here
#   WHAT   unit, in_step, pip, types or examples
set -euo pipefail
which=$1 source=$2 cc=$3 library=$4 what=$5
binding=$source/bindings/python
export PYTHONDONTWRITEBYTECODE=1 PANICMON_LIBRARY=$library
export PANICMON_SAMPLE_METADATA=$source/tests/fuzz/corpus/metadata/sample-v15

version() { # of an interpreter, as a number to compare; nothing when it does not run
    "$1" -c 'import sys; print(sys.version_info[0] * 1000 + sys.version_info[1])' 2>/dev/null || true
}

newest() { # the newest Python that is newer than Debian's, from 3.9 on
    local best='' best_version found
    best_version=$(version /usr/bin/python3)
    for python in $(compgen -c python3. | grep -xE 'python3\.[0-9]+' | sort -u) \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3; do
        found=$(version "$python")
        [ -n "$found" ] && [ "$found" -gt "${best_version:-3008}" ] || continue
        best=$python best_version=$found
    done
    echo "$best"
}

case "$which" in
system) python=/usr/bin/python3 ;;
newest) python=$(newest) ;;
esac
[ -n "$python" ] && [ -n "$(version "$python")" ] || { echo "no $which python3 here"; exit 77; }
"$python" --version
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

case "$what" in
unit)
    cd "$binding/tests"
    PYTHONPATH=$binding/src "$python" -X faulthandler -W error::ResourceWarning -m unittest -b
    ;;
in_step)
    "$python" "$source/tests/bindings/test_in_step.py" "$source/include" "$cc" "$library"
    ;;
pip)
    "$python" -m pip --version 2>/dev/null || { echo "no pip for it"; exit 77; }
    cp -r "$binding" "$work/python" # nothing may be written beside the sources
    # No index: an install that wanted anything from elsewhere fails.
    "$python" -m pip install --quiet --no-index --disable-pip-version-check --root-user-action \
        ignore --target "$work/site" "$work/python"
    cd "$work"
    PYTHONPATH=$work/site "$python" -c 'import os, panicmon
assert panicmon.__file__.startswith(os.getcwd()), panicmon.__file__
assert os.path.exists(os.path.join(os.path.dirname(panicmon.__file__), "py.typed"))
print("installed", panicmon.__version__, "on", panicmon.library_version())'
    "$python" -m pip wheel --quiet --no-index --no-deps --disable-pip-version-check \
        --wheel-dir "$work/one" "$work/python"
    "$python" -m pip wheel --quiet --no-index --no-deps --disable-pip-version-check \
        --wheel-dir "$work/two" "$work/python"
    cmp "$work"/one/*.whl "$work"/two/*.whl # the same tree, the same bytes
    (cd "$work/python" && "$python" -c 'import build_backend, tarfile
name = build_backend.build_sdist(".")
assert any(m.endswith("py.typed") for m in tarfile.open(name).getnames())')
    ;;
types)
    command -v mypy >/dev/null || { echo "no mypy here"; exit 77; }
    cd "$binding"
    mypy --cache-dir "$work/cache"
    MYPYPATH=$binding/src mypy --config-file "$binding/pyproject.toml" --cache-dir "$work/cache" "$source"/examples/python/*.py
    ;;
examples)
    PYTHONPATH=$binding/src "$python" "$source/tests/bindings/run_examples.py" \
        "$source/examples/python"
    ;;
esac
