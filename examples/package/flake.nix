{
  description = "A plain package: no dockerTools, and still an image";

  outputs =
    { self }:
    let
      # ./bin/busybox is put here by the tests; a flake of yours would take everything from nixpkgs, where
      # `packages.x86_64-linux.default = pkgs.hello;` is all that is needed.
      busybox = ./bin;
      make =
        system: name: script: extra:
        derivation {
          inherit name system;
          builder = "${busybox}/busybox";
          args = [
            "sh"
            "-euc"
            "busybox() { ${busybox}/busybox \"$@\"; }; busybox mkdir -p $out; ${script}"
          ];
        }
        // extra;
      perSystem = system: rec {
        # flakeship publish --flake .
        default =
          make system "greet-1.0"
            ''
              busybox mkdir $out/bin
              for name in greet greetctl; do
                busybox printf '#!${busybox}/busybox sh\nPATH=$PATH:${busybox}\nbusybox cat ${phrases}/$1\n' >$out/bin/$name
                busybox chmod +x $out/bin/$name
              done
            ''
            {
              pname = "greet";
              version = "1.0";
              meta.mainProgram = "greet";
            };

        phrases = make system "phrases" ''
          echo 'Hello from a package!' >$out/hello
        '' { };

        # --contents .#certificates: linked into /, and SSL_CERT_FILE says where they are
        certificates = make system "certificates" ''
          busybox mkdir -p $out/etc/ssl/certs
          echo '-----BEGIN CERTIFICATE-----' >$out/etc/ssl/certs/ca-bundle.crt
        '' { };

        # --debug --debug-shell .#shell: a second image, tagged …-debug, with this in its /bin
        shell = make system "shell" ''
          busybox mkdir $out/bin
          for name in sh ls cat id env; do
            busybox ln -s ${busybox}/busybox $out/bin/$name
          done
        '' { };
      };
    in
    {
      packages.x86_64-linux = perSystem "x86_64-linux";
      packages.aarch64-linux = perSystem "aarch64-linux";
    };
}
