{
  description = "what streamLayeredImage builds: a wrapper, its conf.json, and store paths as layers";

  # bin/busybox, script.py and text are written by the test. No nixpkgs, no network.
  outputs =
    { self }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      perSystem = make: builtins.listToAttrs (map (name: { inherit name; value = make name; }) systems);
      busybox = "${./bin}/busybox";
    in
    {
      packages = perSystem (
        system:
        let
          make =
            name: script: extra:
            derivation (
              {
                inherit name system;
                builder = busybox;
                args = [ "sh" "-euc" "b=${busybox}; ${script}" ];
              }
              // extra
            );
          program = make "program-1" "$b mkdir -p $out/bin; $b cp ${busybox} $out/bin/busybox" { };
          text = make "text-1" "$b cp ${./text} $out" { };
          customisation = make "customisation" ''
            $b mkdir $out root
            $b ln -s ${program}/bin/busybox root/run
            $b tar -cf $out/layer.tar -C root .
            $b sha256sum $out/layer.tar | $b cut -c-64 >$out/checksum
          '' { };
          conf = make "conf.json" ''$b printf %s "$json" >$out'' {
            json = builtins.toJSON {
              architecture = "amd64";
              config = { Cmd = [ "/run" "sh" ]; };
              os = "linux";
              store_dir = builtins.storeDir;
              from_image = null;
              store_layers = [ [ program ] [ text ] ];
              customisation_layer = customisation;
              repo_tag = "streamed:1";
              created = "now";
              mtime = "1970-01-01T00:00:01+00:00";
              uid = "0";
              gid = "0";
              uname = "root";
              gname = "root";
            };
          };
          script = make "stream" "$b cp ${./script.py} $out; $b chmod +x $out" { };
        in
        {
          default = make "stream-image" ''
            $b printf '#! ${busybox} sh\nexec "${script}"  ${conf} "$@" \n' >$out
            $b chmod +x $out
          '' { };
        }
      );
    };
}
