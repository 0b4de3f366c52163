#!/bin/sh
# Lock every extra with hashes and for every supported Python and platform. `make lock` runs this.
# The extras are resolved together, so that any of them can be installed in one environment at the same
# versions; cuda and cuda13, whose onnxruntime wheels exclude the plain one, follow those versions.
set -eu
cd "$(dirname "$0")/.."
compile() { # OUTPUT ARGUMENT... : a lock with hashes, without addresses of registries
    output=$1; shift
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
        --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' -o "$output" "$@"
}
lock() { # OUTPUT EXTRA... : the lock of these extras
    output=$1; shift
    extras=$(printf -- '--extra %s ' "$@")
    # shellcheck disable=SC2086  # $extras and $constraints hold several words
    compile "$output" $extras $constraints pyproject.toml
}
together=$(mktemp); trap 'rm -f "$together"' EXIT
constraints=''
lock "$together" cpu openvino dlib otel ray convert bench test browser images
constraints="-c $together"
for extra in cpu openvino dlib otel ray convert bench test browser images cuda cuda13; do
    lock "requirements/$extra.txt" "$extra"
done
# In an environment of its own (make audit, make sbom), so not resolved with the extras.
compile requirements/audit.txt --group audit
compile requirements/photos.txt --no-deps requirements/photos.in
