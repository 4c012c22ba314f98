#!/bin/sh
# Makes the root file system of debian:SUITE-slim from Debian's own packages, for machines that can pull no image.
# usage: base-image.sh SUITE OUTPUT.tar      needs mmdebstrap and root; 15 s, 80 MB
# It takes the machine's own certificate authorities along, so that pip works behind a proxy: push the result nowhere.
set -eu
suite=$1
output=$2
overlay=$(mktemp -d)
trap 'rm -rf "$overlay"' EXIT
mkdir -p "$overlay/usr/local/share/ca-certificates" "$overlay/etc/apt/apt.conf.d" "$overlay/etc/dpkg/dpkg.cfg.d"
cp /usr/local/share/ca-certificates/*.crt "$overlay/usr/local/share/ca-certificates/" 2>/dev/null || true
cat >"$overlay/etc/apt/apt.conf.d/docker-clean" <<'CONF'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false"; Acquire::Check-Date "false";
CONF
printf 'force-unsafe-io\n' >"$overlay/etc/dpkg/dpkg.cfg.d/docker-apt-speedup"
mmdebstrap --quiet --variant=minbase --format=tar \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --customize-hook="sync-in $overlay /" --customize-hook='rm -f "$1"/var/cache/apt/*.bin' \
  "$suite" "$output"
