#!/bin/sh
# Tests and measures verbatim-llama on a machine with a GPU, without network, npm or an installed Node.js.
# See ./run.sh --help.
set -eu
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
exec "$here/node" --no-warnings "$here/gpu-kit/run/command-line.js" "$@"
