#!/usr/bin/env bash
# Runs a command with a Docker engine, the base image and our images at hand, made where missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
variables=$(tests/containers/engine.sh)
eval "$variables"
tests/containers/base_image.sh
# One run at a time on this machine: a build for another checkout would move the tags under our feet.
exec 9>"${TMPDIR:-/tmp}/ringside-test-containers.lock"
flock --wait 3600 9 || { echo "another run of the container tests does not end" >&2; exit 1; }
docker compose build --quiet
exec "$@"
