#!/usr/bin/env bash
# Makes a stand-in for the Dockerfiles' base image where no image registry can be reached.
# Debian's own Python 3.11 from Debian's mirror; whoever can pull the real image never needs this.
set -euo pipefail

IMAGE=${1:-python:3.11-slim-bookworm}
SUITE=bookworm
CERTIFICATES=/etc/ssl/certs/ca-certificates.crt

say() { echo "base image: $*" >&2; }

if docker image inspect "$IMAGE" >/dev/null 2>&1; then
    say "$IMAGE is there"
    exit
fi
if timeout 30 docker pull --quiet "$IMAGE" >/dev/null 2>&1; then
    say "pulled $IMAGE"
    exit
fi
[ "$(id -u)" = 0 ] || { say "no registry answers, and debootstrap needs root"; exit 1; }
if ! command -v debootstrap >/dev/null; then
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap; } >&2
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
say "no registry answers: making $IMAGE from Debian $SUITE"
# The mirrors are those of this machine; the packages of the image come from where the host's come from.
mapfile -t mirrors < <(awk '/^URIs:/ {print $2}' /etc/apt/sources.list.d/debian.sources)
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$SUITE" "$root" \
    "${mirrors[0]}" >&2
printf 'deb %s %s-security main\n' "${mirrors[1]:-${mirrors[0]}-security}" "$SUITE" \
    >> "$root/etc/apt/sources.list"
# A network that inspects traffic signs with a certificate of its own; builds must trust what the host trusts.
cp "$CERTIFICATES" "$root$CERTIFICATES"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists/* \
    "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/* "$root"/var/log/*.log
tar -C "$root" --numeric-owner -c . | docker import \
    --change "ENV PIP_CERT=$CERTIFICATES SSL_CERT_FILE=$CERTIFICATES REQUESTS_CA_BUNDLE=$CERTIFICATES" \
    --change 'CMD ["python3"]' --message "stand-in made by tests/containers/base_image.sh" \
    - "$IMAGE" >/dev/null
say "made $IMAGE ($(docker image inspect --format '{{.Size}}' "$IMAGE" | awk '{printf "%.0f MiB", $1/1048576}'))"
