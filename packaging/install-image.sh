#!/bin/sh
# Installs all that an image holds beside Python itself: install-image.sh operator|benchmark FOLDER [PYTHON]
# Only pip and the locked hashes: the Dockerfile runs it, and so can whoever makes images another way. FOLDER has to be
# on Python's module path (PYTHONPATH, or site-packages itself). Without bytecode, which is half of the size again.
set -eu
case ${1:-} in operator | benchmark) ;; *) echo "usage: $0 operator|benchmark FOLDER [PYTHON]" >&2; exit 2 ;; esac
image=$1 folder=$(mkdir -p "$2" && cd "$2" && pwd) python=${3:-python3}
cd "$(dirname "$0")/.."

install() {
    "$python" -m pip install --disable-pip-version-check --quiet --no-compile --no-cache-dir \
        --root-user-action=ignore --target "$folder" "$@"
}

install --require-hashes -r "locks/$image.txt"
install --no-deps --upgrade .
rm -rf "$folder/bin"  # scripts that begin with the path of this Python
echo "$image: $(du -sm "$folder" | cut -f1) MB of packages"
