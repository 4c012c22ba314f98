# A stand-in for nixpkgs: it has what our flake and its template ask nixpkgs for, and nothing else. A package of it is a
# script that starts the Python of the tests with what the derivation was given; real Python packages are left out.
{
  outputs =
    { self }:
    let
      busybox = ./bin;
      python = builtins.readFile ./python; # a path outside the store: builds are not in a sandbox here
      lib = rec {
        genAttrs =
          names: make:
          builtins.listToAttrs (
            map (name: {
              inherit name;
              value = make name;
            }) names
          );
        importTOML = path: builtins.fromTOML (builtins.readFile path);
        replaceStrings = builtins.replaceStrings;
        toLower =
          text:
          let
            letters = text: builtins.filter builtins.isString (builtins.split "" text);
          in
          replaceStrings (letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ") (letters "abcdefghijklmnopqrstuvwxyz") text;
        makeBinPath = packages: builtins.concatStringsSep ":" (map (package: "${package}/bin") packages);
        licenses.mit = {
          spdxId = "MIT";
        };
        fileset = {
          unions = files: files;
          toSource =
            { root, fileset }:
            builtins.path {
              path = root;
              name = "source";
              filter =
                path: _:
                builtins.any (
                  file: path == toString file || builtins.substring 0 (builtins.stringLength "${toString file}/") path == "${toString file}/"
                ) fileset;
            };
        };
      };
      run =
        system: name: script: extra:
        derivation (
          {
            inherit name system;
            builder = "${busybox}/busybox";
            args = [
              "sh"
              "-euc"
              "PATH=${busybox}; busybox() { ${busybox}/busybox \"$@\"; }; ${script}"
            ];
          }
          // builtins.removeAttrs extra [ "meta" ]
        )
        // extra;
      scope =
        system:
        let
          empty = name: run system name "busybox mkdir -p $out/bin" { };
          python3Packages =
            builtins.mapAttrs (name: version: empty "python3-${name}-${version}") {
              certifi = "2026.1";
              cryptography = "46.0.3";
              docker = "7.1.0";
              flit-core = "3.12.0";
              isal = "1.7.2";
              packaging = "25.0";
              pynacl = "1.6.2";
              pyyaml = "6.0.3";
              regex = "2026.1.1";
              requests = "2.32.5";
              rich = "14.2.0";
              semver = "3.0.4";
              tzdata = "2025.3";
              urllib3 = "2.6.2";
              zstandard = "0.25.0";
            }
            // {
              buildPythonApplication =
                {
                  pname,
                  version,
                  src,
                  dependencies,
                  meta,
                  build-system,
                  makeWrapperArgs,
                  postInstall ? "",
                  ...
                }:
                run system "${pname}-${version}"
                  ''
                    busybox mkdir -p $out/bin $out/nix-support
                    busybox cp -R ${src} $out/source
                    busybox chmod -R u+w $out/source
                    # a real wheel, laid below the prefix as nixpkgs' hook does it
                    ${python} -I -m pip --disable-pip-version-check install --quiet --no-index --no-deps --no-build-isolation --no-compile --ignore-installed --no-warn-script-location --prefix $out $out/source
                    busybox printf '%s\n' ${builtins.concatStringsSep " " (map toString (build-system ++ dependencies))} >$out/nix-support/inputs
                    busybox printf '#!${busybox}/busybox sh\nexport PATH="$PATH:${builtins.elemAt makeWrapperArgs 3}"\nPYTHONPATH=%s/source/src exec ${python} -m flakeship "$@"\n' $out >$out/bin/flakeship
                    busybox chmod +x $out/bin/flakeship
                    ${postInstall}
                  ''
                  { inherit meta pname version; };
            };
          pkgs = {
            inherit lib python3Packages;
            hello = run system "hello-2.12" "busybox mkdir -p $out/bin; busybox cp ${busybox}/busybox $out/bin/hello" { };
            git = empty "git-2";
            gitMinimal = empty "git-minimal-2";
            openssh = empty "openssh-9";
            python3 = empty "python3-3";
            skopeo = empty "skopeo-1";
            umoci = empty "umoci-0";
            zstd = empty "zstd-1";
            callPackage = path: overrides: let make = import path; in make (builtins.intersectAttrs (builtins.functionArgs make) pkgs // overrides);
            mkShell = { packages }: run system "shell" "busybox printf '%s\\n' ${toString packages} >$out" { };
            runCommand = name: environ: script: run system name script environ;
            dockerTools = {
              caCertificates = empty "ca-certificates";
              fakeNss = empty "fake-nss";
              streamLayeredImage =
                {
                  name,
                  tag,
                  contents,
                  config,
                }:
                run system "stream-${name}" "busybox printf '%s' '${builtins.toJSON { inherit tag config; }} ${toString contents}' >$out" { };
            };
            writeShellApplication =
              { name, runtimeInputs, text }:
              run system name
                "busybox mkdir -p $out/bin; busybox printf '#!${busybox}/busybox sh\\nPATH=${lib.makeBinPath runtimeInputs}\\n%s\\n' ${builtins.toJSON text} >$out/bin/${name}; busybox chmod +x $out/bin/${name}"
                { meta.mainProgram = name; };
          };
        in
        pkgs;
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ] scope;
    };
}
