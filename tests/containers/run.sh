#!/usr/bin/env bash
# Runs a command with a Docker engine, the base image and our images at hand, made where missing.
# Every wait has an end: a machine that cannot do it says so.
set -euo pipefail
cd "$(dirname "$0")/../.."
say() { echo "containers: $*" >&2; }

# One run at a time on this machine: a build for another checkout would move the tags under our feet.
exec 9>"${TMPDIR:-/tmp}/ringside-test-containers.lock"
flock --wait 1800 9 || { say "another run of the container tests does not end"; exit 1; }

variables=$(timeout 600 tests/containers/engine.sh 9>&-) || { say "no Docker engine"; exit 1; }
eval "$variables"
timeout 600 tests/containers/base_image.sh 9>&- || { say "no base image"; exit 1; }

# What a run that was killed has left; nobody else's containers bear these names.
docker ps --all --format '{{.Label "com.docker.compose.project"}}' | sort -u |
    { grep -E '^ringside-(test-[0-9a-f]{6}|backup-test)$' || true; } | while read -r project; do
    say "removing $project, left by a run that was killed"
    docker ps --all --quiet --filter "label=ringside.project=$project" | xargs -r docker rm --force >/dev/null
    timeout 120 docker compose --project-name "$project" down --volumes --remove-orphans --timeout 5
done

files=(--file docker-compose.yaml --file docker-compose.celery.yaml)
timeout 1200 docker compose "${files[@]}" build --quiet ||
    { say "the images were not built, or not within 20 minutes"; exit 1; }
timeout --foreground --kill-after=120 2400 "$@" 9>&- && exit
status=$?
[ "$status" = 124 ] && say "the tests did not end within 40 minutes"
exit "$status"
