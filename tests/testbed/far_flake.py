"""A flake with one result of each kind that an image is made of, for a store that is elsewhere: nothing of it is known here."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from pathlib import Path
from typing import Final

from flakeship.sources.nix2container.document import parse
from flakeship.sources.nix2container.tree import WriterVersion, tar_pieces
from tests.sources.store_trees import image_json, layer_json, plant
from tests.sources.stream_scripts import script_text
from tests.testbed import archives

SYSTEM: Final = f"{platform.machine()}-linux"

KINDS: Final = ("package", "program", "linked", "script", "archive", "gzipped", "document", "layout")

_FLAKE: Final = """{
  outputs = { self }:
    let
      system = "@system@";
      busybox = "${./bin}/busybox";
      make = name: script: derivation {
        inherit name system;
        builder = busybox;
        args = [ "sh" "-euc" "b=${busybox}; export PATH=/none; salt=@salt@; ${script}" ];
      };
      executable = name: text: make name ''
        $b cat > $out <<'END'
        ${text}
        END
        $b chmod +x $out
      '';
      # What many things refer to: only with a change of its own it is another path.
      data = make "data" "$b cp -R ${./tree} $out; $b chmod u+w $out; $b mkdir -p $out/share/data; $b cat ${./big} > $out/share/data/big";
      small = make "small" "$b mkdir -p $out/lib; echo @change@ ${data} > $out/lib/small";
      customisation = make "customisation" ''
        $b mkdir $out
        $b cp ${./layer.tar} $out/layer.tar
        $b sha256sum $out/layer.tar | $b cut -d ' ' -f 1 > $out/checksum
      '';
      conf = make "conf.json" ''
        $b cat > $out <<'END'
        { "architecture": "amd64", "config": { "Env": [ "A=1" ] }, "os": "linux", "from_image": null, "repo_tag": "shapes:1",
          "created": "1970-01-01T00:00:01+00:00", "mtime": "1970-01-01T00:00:01+00:00", "uid": "0", "gid": "0",
          "uname": "root", "gname": "root", "store_dir": "/nix/store", "store_layers": [ [ "${data}" ], [ "${small}" ] ],
          "customisation_layer": "${customisation}" }
        END
      '';
      stream = make "far-stream" "$b cp ${./script.py} $out; $b chmod +x $out";
      # One that is for another CPU as far as Nix is concerned: the same busybox builds it.
      for = cpu: name: script: derivation {
        inherit name system;
        builder = busybox;
        args = [ "sh" "-euc" "b=${busybox}; cpu=${cpu}; salt=@salt@; ${script}" ];
      } // { system = "${cpu}-linux"; };
    in {
      packages.aarch64-linux.package = for "aarch64" "package-1" "$b mkdir -p $out/bin; echo ${small} > $out/bin/package; $b chmod +x $out/bin/package";
      packages.aarch64-linux.tools = for "aarch64" "tools" "$b mkdir -p $out/bin; echo shell > $out/bin/sh";
      packages.${system} = rec {
        inherit data small;
        package = make "package-1" ''
          $b mkdir -p $out/bin
          $b printf '#! %s sh\\necho far ${small}\\n' ${busybox} > $out/bin/package
          $b chmod +x $out/bin/package
          $b ln -s ${data}/bin/program $out/bin/.hidden
        '';
        tools = make "tools" "$b mkdir -p $out/bin $out/etc/tools; $b cp ${busybox} $out/bin/busybox; $b ln -s ${data}/link $out/etc/tools/link";
        others = make "others" "$b mkdir -p $out/etc/tools; echo 1 > $out/etc/tools/one; $b ln -s ${data}/share $out/share";
        program = executable "server" ''
          #! ${busybox} sh
          echo ${small}
        '';
        linked = make "linked" "$b ln -s ${package}/bin/package $out";
        script = executable "stream-shapes" ''
          #! ${busybox} sh
          exec "${stream}"  ${conf} "$@"
        '';
        archive = make "image.tar" "$b cp ${./archives}/layered.tar $out";
        gzipped = make "image.tar.gz" "$b cp ${./archives}/layered.tar.gz $out";
        document = make "image.json" "$b sed -e s,@data@,${data},g ${./document.json} > $out";
        layout = make "layout" "$b cp -R ${./layout} $out";
        untold = executable "untold" ''
          #! ${busybox} sh
          exec "${executable "other-stream" "#! ${busybox} sh\\n# store_layers customisation_layer\\nexit 1"}"  ${conf} "$@"
        '';
        fails = make "fails" "echo it fails; exit 3";
        # What was built here, and so has no signature: with `impure`.
        foreign = make "foreign" "$b cp -R ${builtins.storePath (builtins.readFile ./foreign)} $out";
        sleeps = make "sleeps" "echo asleep; $b sleep 1000";
      };
    };
}
"""


def write_far_flake(folder: Path, *, salt: str, change: str = "one", big: int = 300_000) -> None:
    """Write it. Another `salt` makes everything another path; another `change` the package and what it is made of, but not `data`.

    `big` is the size of a file of `data` in bytes.
    """
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(archives.BUSYBOX, folder / "bin/busybox")
    tree: dict[str, bytes | str] = {
        "bin/program": b"#!/bin/sh\n",
        "link": "bin/program",
        "Case": b"1",
        "case": b"2",
        "empty": b"",
    }
    if not (folder / "tree").exists():
        plant(folder / "tree", tree)
    (folder / "big").write_bytes(hashlib.shake_256(salt.encode()).digest(big))
    (folder / "script.py").write_text(script_text())
    (folder / "layer.tar").write_bytes(archives.layer_tar({"etc/custom": b"customised"}))
    if not (folder / "archives").exists():
        archives.write_all(folder / "archives")
    (folder / "foreign").touch()
    (folder / "document.json").write_bytes(b"{}")
    _write_layout(folder / "layout")
    text = _FLAKE.replace("@system@", SYSTEM).replace("@salt@", salt).replace("@change@", change)
    (folder / "flake.nix").write_text(text)


def write_document(folder: Path, data: str, size: int) -> None:
    """Write the document of nix2container, whose layer has the digest of `data` as it lies in the store of this machine."""
    paths = [{"path": data}]
    none = f"sha256:{'0' * 64}"
    document = parse(image_json([layer_json(none, *paths)]), store=Path("/nix/store"), what="test")
    tar = b"".join(tar_pieces(document.layers[0].paths, WriterVersion()))
    digest = f"sha256:{hashlib.sha256(tar).hexdigest()}"
    layers = [layer_json(digest, {"path": "@data@"}, size=size or len(tar))]
    (folder / "document.json").write_bytes(image_json(layers, arch="amd64"))


def _write_layout(folder: Path) -> None:
    """An OCI image layout with one small image."""
    layer = archives.layer_tar({"etc/laid": b"out"})
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def put(data: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    oci = "application/vnd.oci.image"
    diff_id = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{oci}.manifest.v1+json",
        "config": put(json.dumps(config).encode(), f"{oci}.config.v1+json"),
        "layers": [put(layer, f"{oci}.layer.v1.tar")],
    }
    listed = put(json.dumps(manifest).encode(), f"{oci}.manifest.v1+json")
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [listed]}))
