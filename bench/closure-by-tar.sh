#!/bin/sh
# FOLDER SKOPEO DESTINATION PATH…: a docker-archive of the paths, one layer each, by GNU tar; then skopeo.
set -eu
work=$(mktemp -d "$1/by-tar-XXXXXX") skopeo=$2 destination=$3
trap 'rm -rf "$work"' EXIT
shift 3
layers= diff_ids= number=0
for path; do
  number=$((number + 1))
  tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime=@1 --hard-dereference --absolute-names \
    --transform='s,^/,,S' "$path" >"$work/$number.tar"
  digest=$(sha256sum "$work/$number.tar" | cut -d ' ' -f 1)
  layers="${layers:+$layers,}\"$number.tar\""
  diff_ids="${diff_ids:+$diff_ids,}\"sha256:$digest\""
done
cat >"$work/config.json" <<END
{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[$diff_ids]}}
END
echo "[{\"Config\":\"config.json\",\"RepoTags\":[\"bench:tar\"],\"Layers\":[$layers]}]" >"$work/manifest.json"
(cd "$work" && tar --create --file image.tar manifest.json config.json ./*[0-9].tar --transform='s,^\./,,')
"$skopeo" --insecure-policy copy --quiet --dest-tls-verify=false "docker-archive:$work/image.tar" "$destination"
