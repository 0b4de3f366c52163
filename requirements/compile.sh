#!/bin/sh
# Lock every extra with hashes and for every supported Python and platform. `make lock` runs this.
# The extras are resolved together, so that any of them can be installed in one environment at the same
# versions; cuda, whose onnxruntime wheel excludes the plain one, follows those versions.
set -eu
cd "$(dirname "$0")/.."
lock() { # OUTPUT EXTRA... : the lock of these extras
    output=$1; shift
    extras=$(printf -- '--extra %s ' "$@")
    # shellcheck disable=SC2086  # $extras and $constraints hold several words
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
        --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
        $extras $constraints -o "$output" pyproject.toml
}
together=$(mktemp); trap 'rm -f "$together"' EXIT
constraints=''
lock "$together" cpu dlib convert bench test images
constraints="-c $together"
for extra in cpu dlib convert bench test images cuda; do
    lock "requirements/$extra.txt" "$extra"
done
uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-deps \
    --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
    -o requirements/photos.txt requirements/photos.in
