#!/usr/bin/env bash
# The suite on other versions than those of `make test`. `make test-matrix` calls this; its arguments go to pytest.
#
#   oldest   the oldest Python here, the oldest aiohttp that pyproject.toml allows, and Python's -O: no assert of webkit
#            is executed, so nothing that it does may hang on one
#   newest   the newest Python here with the newest aiohttp
#
# The legs run side by side, and each line says whose it is. Browser and documentation stay out: `make test` has them,
# and these versions hardly touch them. Each leg has a virtual environment of its own in .venv-matrix, with a stamp as in
# .venv; after `make clean` newer packages are looked for.
set -euo pipefail
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; exit 130' INT TERM
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
OLDEST_AIOHTTP=$(sed -n 's/^ *"aiohttp>=\([0-9.]*\),.*/\1/p' pyproject.toml)

# Print "VERSION PATH" of each interpreter that can be used here, the oldest first. There may be no interpreter behind
# a name (pyenv's), and no pip for its environments in an interpreter (Debian's), so each is asked.
list_interpreters() {
    local name question='
import ensurepip, platform, sys
if sys.version_info >= (3, 11) and sys.version_info.releaselevel == "final":
    print(platform.python_version(), sys.executable)'
    for name in "$PYTHON" python3.{11..14} "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[1-4].*/bin/python; do
        "$name" -c "$question" 2>/dev/null || true
    done | sort -V -u
}

# install FOLDER PYTHON REQUIREMENT: make a virtual environment for the development of webkit, with REQUIREMENT.
install() {
    [ "$1/.installed" -nt pyproject.toml ] && return
    echo "Installing webkit and what its development needs into $1: once, it takes a minute."
    "$2" -m venv --clear "$1" &&
        "$1/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[dev]" "$3" &&
        touch "$1/.installed"
}

# run_leg NAME "VERSION PATH" REQUIREMENT OPTIMIZE [ARGUMENT]...: run pytest with ARGUMENTs, and write a line of the summary.
# -O comes from the environment, so that the processes which tests start have it too. The asserts in tests are executed
# all the same, as pytest writes those anew; it warns that it leaves all others alone, which is the purpose.
run_leg() {
    local name=$1 version=${2%% *} path=${2#* } requirement=$3 optimize=$4 result=failed
    local folder=.venv-matrix/$name-$version aiohttp="-"
    shift 4
    printf '\nThe leg "%s": Python %s, %s%s\n' "$name" "$version" "$requirement" "${optimize:+, -O}"
    if install "$folder" "$path" "$requirement"; then
        aiohttp=$("$folder/bin/python" -c "import aiohttp; print(aiohttp.__version__)")
        PYTHONOPTIMIZE=$optimize "$folder/bin/python" -m pytest --ignore tests/test_docs.py \
            -W "ignore:assertions not in test modules:pytest.PytestConfigWarning" "$@" && result=passed
    fi
    printf '%-7s %-8s %-8s %-6s %s\n' "$name" "$version" "$aiohttp" "${optimize:+-O}" "$result" >"$results/$name.line"
}

interpreters=$(list_interpreters)
if [ -z "$interpreters" ]; then
    echo "No Python 3.11 or newer with venv and pip was found: say make test-matrix PYTHON=python3.12." >&2
    exit 1
fi

# What needs a newer aiohttp is left out by name: in CI nothing may skip.
run_leg oldest "$(head -n 1 <<<"$interpreters")" "aiohttp==$OLDEST_AIOHTTP" 1 \
    -m "not browser and not needs_aiohttp" "$@" 2>&1 | sed -u "s/^/oldest: /" &
run_leg newest "$(tail -n 1 <<<"$interpreters")" aiohttp "" -m "not browser" "$@" 2>&1 | sed -u "s/^/newest: /" &
wait

printf '\n%-7s %-8s %-8s %-6s %s\n' leg Python aiohttp flags result
cat "$results/oldest.line" "$results/newest.line"
[ "$(cat "$results"/*.line | grep -c ' passed$')" = 2 ]
