#!/usr/bin/env bash
# Runs a command with a Docker engine and the base image at hand, both made where they are missing.
set -euo pipefail
here=$(dirname "$0")
variables=$("$here/engine.sh")
eval "$variables"
"$here/base_image.sh"
exec "$@"
