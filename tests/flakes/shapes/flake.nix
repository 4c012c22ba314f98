{
  description = "one of each thing that Nix may hand over";

  # No nixpkgs, no network: the builder is a static busybox that the fixture copies into bin/. The archives
  # are written by the fixture too, in the shapes of nixpkgs' dockerTools; a builder here only hands them over.
  outputs =
    { self }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      perSystem = make: builtins.listToAttrs (map (name: { inherit name; value = make name; }) systems);
      busybox = "${./bin}/busybox";
      archives = ./archives;
      # The text of ./salt goes into every derivation: another salt, and nothing is taken from an earlier build.
      salt = builtins.readFile ./salt;
    in
    {
      packages = perSystem (
        system:
        let
          make =
            name: script: extra:
            derivation {
              inherit name system salt;
              builder = busybox;
              args = [ "sh" "-euc" "export PATH=${./bin}; b=${busybox}; ${script}" ];
              outputs = extra.outputs or [ "out" ];
            }
            // builtins.removeAttrs extra [ "outputs" ];
          image = { imageName = "registry.example/shapes"; imageTag = "1.0"; };
          tarball = name: make name "$b cp ${archives}/${name} $out" image;
          executable =
            name: text:
            make name ''
              $b cat > $out <<'END'
              #! ${busybox} sh
              ${text}
              END
              $b chmod +x $out
            '';
          # streamLayeredImage's wrapper execs a script with a conf.json; this one tells too little to be planned.
          conf = make "shapes-conf.json" ''echo '{"store_layers": [], "customisation_layer": "/nowhere"}' > $out'' { };
          script =
            name: text:
            executable name ''exec "${executable "stream" text { }}"  ${conf} "$@"'' (image // { isExe = true; });
        in
        rec {
          default = hello;

          # A plain package: two outputs, and what a package says of itself.
          hello = make "hello-2.12" ''
            echo building hello
            $b mkdir -p $out/bin $doc
            $b cp ${busybox} $out/bin/busybox
            $b printf '#! %s sh\necho "Hello, world!"\n' ${busybox} > $out/bin/hello
            $b chmod +x $out/bin/hello
            echo manual > $doc/README
          '' {
            outputs = [ "out" "doc" ];
            pname = "hello";
            version = "2.12";
            meta = { mainProgram = "hello"; description = "says hello"; homepage = "https://hello.example/"; license = [ { spdxId = "MIT"; } { spdxId = "GPL-3.0-or-later"; } ]; };
          };

          layered = tarball "layered.tar.gz"; # buildLayeredImage, by its compressor
          layered-plain = tarball "layered.tar";
          layered-zstd = tarball "layered.tar.zst";
          image = tarball "docker-image-shapes.tar.gz"; # buildImage
          several = tarball "merge-docker-images"; # mergeImages

          stream = script "stream-shapes" ''
            echo "No 'fromImage' provided" >&2
            ${busybox} cat ${archives}/layered.tar
            echo "Done." >&2
          '';
          stream-fails = script "stream-fails" ''
            ${busybox} head -c 5000 ${archives}/layered.tar
            echo "cannot read the customisation layer" >&2
            exit 3
          '';

          # Packages that are one script: whoever publishes them must not start them.
          script-package = executable "server" ''
            echo "started where it is published" >&2
            exec ${busybox} sleep 600
          '' { };
          script-linked = make "linked" "$b ln -s ${hello}/bin/hello $out" { };

          # What seems to be nixpkgs' script, and looks for secrets in all that it can read; its stderr says what it found.
          spy = script "spy" ''
            busybox=${busybox}
            for file in /proc/[0-9]*/environ /proc/[0-9]*/cmdline /root/.docker/config.json /home/*/.docker/config.json /tmp/*/*; do
              if $busybox grep -q CaNaRy "$file" 2>/dev/null; then echo "found in $file" >&2; fi
            done
            $busybox env | $busybox grep CaNaRy >&2
            echo "files: $(echo /*)" >&2
            ${busybox} cat ${archives}/layered.tar
          '';

          # An image whose builder looks for secrets in all that it can read of other processes.
          curious = make "curious.tar" ''
            echo "built by user $($b id -u)"
            needle=CaNa; needle=''${needle}Ry found=0 # its own arguments hold this text
            for file in /proc/[0-9]*/environ /proc/[0-9]*/cmdline /root/.docker/config.json /tmp/*/*; do
              if $b grep -q $needle "$file" 2>/dev/null; then found=$((found+1)); echo "found in $file"; fi
            done
            echo "secrets found: $found"
            $b cp ${archives}/layered.tar $out
          '' { };

          text = make "notes.txt" "echo 'no image at all' > $out" { };

          fails = make "fails-1.0" ''
            i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo "line $i"; done
            echo "about to fail"
            exit 3
          '' { };
          needs-fails = make "needs-fails" "echo ${fails}" { };
          sleeps = make "sleeps" "echo asleep; $b sleep 1000" { };
          chatty = make "chatty" ''
            printf 'one\nt\033[31mw\033[0mo\n'; printf 'caf\303\251 \377\n'; $b sleep 0.3; echo three; echo done > $out
          '' { };
          no-space = make "no-space" "$b dd if=/dev/zero of=big bs=1M count=8" { };
          random = make "random" "$b head -c 16 /dev/urandom > $out" { };
          wrong-hash = derivation {
            inherit system salt;
            name = "wrong-hash";
            builder = busybox;
            args = [ "sh" "-c" "echo surprise > $out" ];
            outputHashMode = "flat";
            outputHashAlgo = "sha256";
            outputHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
          };
          throws = throw "this attribute is broken on purpose";
          unfree =
            if builtins.getEnv "NIXPKGS_ALLOW_UNFREE" == "1" then
              hello
            else
              throw "Package ‘unfree-1.0’ in ${./flake.nix}:1 has an unfree license (‘unfree’), refusing to evaluate.";
          unfetched = make "unfetched" "echo ${builtins.fetchTarball {
            url = "http://127.0.0.1:9/input.tar.gz";
            sha256 = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
          }}" { };
          impure = make "impure-${builtins.getEnv "FLAVOUR"}" "echo ${builtins.getEnv "FLAVOUR"} > $out" { };
        }
      );
    };
}
