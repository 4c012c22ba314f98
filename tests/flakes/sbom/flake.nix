{
  description = "packages that say much of themselves, and some that must not be asked";

  # No nixpkgs, no network: the builder is a static busybox that the fixture copies into bin/, with a salt against older builds.
  outputs =
    { self }:
    let
      system = "x86_64-linux";
      busybox = "${./bin}/busybox";
      make =
        name: version: attributes: extra:
        derivation (
          {
            name = "${name}-${version}";
            pname = name;
            inherit system version;
            builder = busybox;
            args = [ "sh" "-euc" "${busybox} mkdir $out; for each in \${buildInputs-}; do echo $each >> $out/needs; done; ${extra.more or ""}" ];
            salt = builtins.readFile ./salt;
          }
          // attributes
        )
        // builtins.removeAttrs extra [ "more" ];
      recursion = let x = x + 1; in x;
      fibonacci = n: if n < 2 then n else fibonacci (n - 1) + fibonacci (n - 2);
    in
    {
      packages.${system} = rec {
        default = app;

        # What a crate is fetched by. The test puts the file into the store.
        crate = derivation {
          name = "app-1.0.0.crate";
          system = "builtin";
          builder = "builtin:fetchurl";
          url = "https://crates.io/api/v1/crates/app/1.0.0/download";
          outputHashMode = "flat";
          outputHashAlgo = "sha256";
          outputHash = builtins.hashFile "sha256" ./crate;
        };

        app = make "app" "1.0.0" {
          outputs = [ "out" "doc" ];
          src = crate;
          patches = [ ./CVE-2024-1234.patch ];
          buildInputs = [ openssl broken tree ];
        } {
          more = "${busybox} mkdir $doc $out/bin; ${busybox} cp ${busybox} $out/bin/app; echo $doc > $out/doc";
          meta = {
            description = "does it";
            homepage = "https://app.example/";
            license = [ { spdxId = "MIT"; } { fullName = "A licence of its own"; } { free = false; } (throw "unknown") ];
            position = "flake.nix:1";
          };
        };
        openssl = make "openssl" "3.0.8" { } {
          meta = {
            license.spdxId = "Apache-2.0";
            identifiers = {
              cpe = "cpe:2.3:a:openssl:openssl:3.0.8:*:*:*:*:*:*:*";
              purl = "pkg:github/openssl/openssl@3.0.8";
              possibleCPEs = [ { cpe = "cpe:2.3:a:openssl:openssl:3.0.8:*:*:*:*:*:*:*"; } ];
            };
          };
        };
        broken = make "broken" "0.1" { buildInputs = [ endless zlib ]; } { meta = throw "nothing to see"; };
        endless = make "endless" "0.2" { buildInputs = [ zlib ]; } { meta.description = "so ${toString recursion}"; };
        zlib = make "zlib" "1.3" { } { meta.license.spdxId = "Zlib"; };

        # Named inside sets or beside the derivation, as nixpkgs' buildEnv does; among them a set that stands for a text, which leads anywhere.
        tree = make "tree" "2" {
          __structuredAttrs = true;
          chosenOutputs = [ { paths = [ choice ]; priority = 5; } ];
          odd = { outPath = builtins.readFile ./salt; inherit unbuilt; };
          args = [ "sh" "-euc" "${busybox} mkdir ${placeholder "out"}; echo ${choice} ${beside} > ${placeholder "out"}/needs" ];
        } { meta = { }; paths = [ beside ]; };
        beside = make "beside" "4" { } { meta.license.spdxId = "ISC"; };
        # Both licences and exceptions, with the operators of nixpkgs' lib.licenses.
        choice = make "choice" "3" { } {
          meta.license = {
            licenseType = "compound";
            operator = "OR";
            licenses = [
              { spdxId = "MIT"; shortName = "mit"; }
              { operator = "WITH"; license.spdxId = "Apache-2.0"; exception.spdxId = "LLVM-exception"; }
              { spdxId = null; fullName = "A licence of its own"; }
            ];
          };
        };

        slow = make "slow" "1" { buildInputs = [ slower ]; } { meta.description = "quick"; };
        slower = make "slower" "1" { buildInputs = [ zlib ]; } { meta.description = toString (fibonacci 60); };

        unbuilt = make "unbuilt" "1" { never = "built"; } { };
      };
    };
}
