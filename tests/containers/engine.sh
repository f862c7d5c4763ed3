#!/usr/bin/env bash
# Brings up a Docker engine with Compose on a Debian machine that has none; a machine with Docker never needs it.
# Prints the variables to set: eval "$(tests/containers/engine.sh)". `engine.sh stop` ends the engine it started.
set -euo pipefail

HOME_DIR=${RINGSIDE_ENGINE_DIR:-/var/lib/ringside-engine}
PLUGINS=$HOME_DIR/client/cli-plugins
PID_FILE=$HOME_DIR/dockerd.pid

say() { echo "engine: $*" >&2; }

answers() { timeout 10 docker version >/dev/null 2>&1; }

install_engine() {
    command -v dockerd >/dev/null && return
    say "installing docker.io"
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends docker.io iptables; } >&2
}

# Debian 12 has no Compose of this decade; the two plugins of Debian 13 need nothing but libc.
install_plugins() {
    docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1 && return
    [ -x "$PLUGINS/docker-compose" ] && [ -x "$PLUGINS/docker-buildx" ] && return
    say "taking docker-compose and docker-buildx from the next Debian release"
    local work
    work=$(mktemp -d)
    mkdir -p "$work/parts" "$work/lists/partial" "$work/archives/partial" "$PLUGINS"
    sed 's/bookworm/trixie/g' /etc/apt/sources.list.d/debian.sources > "$work/parts/next.sources"
    local options=(
        -qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/parts"
        -o "Dir::State::lists=$work/lists" -o "Dir::Cache::archives=$work/archives"
        -o APT::Sandbox::User=root
    )
    (
        cd "$work"
        apt-get "${options[@]}" update
        apt-get "${options[@]}" download docker-compose docker-buildx
        for package in ./*.deb; do dpkg -x "$package" unpacked; done
    ) >&2
    cp "$work"/unpacked/usr/libexec/docker/cli-plugins/* "$PLUGINS/"
    rm -rf "$work"
}

start_engine() {
    answers && return
    [ "$(id -u)" = 0 ] || { say "no engine answers; start Docker, or run this as root"; exit 1; }
    install_engine
    for _ in 1 2 3 4 5; do  # the package may have started it
        answers && return
        sleep 1
    done
    say "starting dockerd"
    mkdir -p "$HOME_DIR"
    setsid --wait dockerd --data-root "$HOME_DIR/data" --pidfile "$PID_FILE" \
        >>"$HOME_DIR/dockerd.log" 2>&1 </dev/null &
    local started=$!
    for _ in $(seq 120); do
        answers && return
        kill -0 "$started" 2>/dev/null || break
        sleep 0.5
    done
    say "dockerd does not answer; the end of $HOME_DIR/dockerd.log:"
    tail -20 "$HOME_DIR/dockerd.log" >&2
    exit 1
}

stop_engine() {
    local pid
    pid=$(cat "$PID_FILE" 2>/dev/null) || { say "this script started none"; return; }
    # The number may long belong to another process, where the engine was killed.
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]; then kill "$pid"; else say "it has ended"; fi
}

if [ "${1:-start}" = stop ]; then
    stop_engine
    exit
fi
start_engine
install_plugins
if [ -x "$PLUGINS/docker-compose" ]; then
    echo "export DOCKER_CONFIG=$HOME_DIR/client"
fi
