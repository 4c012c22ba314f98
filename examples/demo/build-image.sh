# Writes $out: an archive as dockerTools.buildLayeredImage makes it, of two layers, with no label and no date of its own.
set -eu
mkdir bin && "$builder" --install -s bin
PATH=$PWD/bin

# archive FOLDER FILE: the same bytes whenever it runs, on whatever file system
archive() {
  find "$1" -exec touch -h -d @1 {} +
  tar -C "$1" --no-recursion -cf "$2" $(cd "$1" && find * | sort)
}

# layer FOLDER: pack it, name it by its digest
layer() {
  archive "$1" layer.tar
  digest=$(sha256sum layer.tar | cut -d ' ' -f 1)
  mkdir -p "image/$digest"
  mv layer.tar "image/$digest/layer.tar"
  layers="${layers:+$layers, }\"$digest/layer.tar\""
  diff_ids="${diff_ids:+$diff_ids, }\"sha256:$digest\""
}

mkdir -p image tools/bin greeting/etc
cp "$builder" tools/bin/busybox
ln -s busybox tools/bin/sh
echo 'Hello from a flake!' >greeting/etc/motd
echo 'nonroot:x:65532:65532:nonroot:/:/bin/sh' >greeting/etc/passwd
layer tools
layer greeting

cat >image/config.json <<END
{
  "created": "1970-01-01T00:00:01+00:00",
  "architecture": "$architecture",
  "os": "linux",
  "config": { "Cmd": ["/bin/busybox", "cat", "/etc/motd"], "Env": null, "User": "65532:65532" },
  "rootfs": { "type": "layers", "diff_ids": [$diff_ids] },
  "history": [
    { "created": "1970-01-01T00:00:01+00:00", "comment": "busybox" },
    { "created": "1970-01-01T00:00:01+00:00", "comment": "a greeting" }
  ]
}
END
cat >image/manifest.json <<END
[{ "Config": "config.json", "RepoTags": ["hello:demo"], "Layers": [$layers] }]
END
archive image image.tar
gzip -n <image.tar >"$out"
