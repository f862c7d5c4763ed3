#!/usr/bin/env bash
# Runs a command with a Docker engine, the base image and our images at hand, made where missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
variables=$(tests/containers/engine.sh)
eval "$variables"
tests/containers/base_image.sh
docker compose build --quiet
exec "$@"
