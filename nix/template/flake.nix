{
  description = "A package, and a container image of it";

  # `nix flake lock` notes which revision that is today. Commit flake.lock, so that every machine builds the same image.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      each = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      packages = each (pkgs: rec {
        # Your package. `flakeship publish .` makes the image of its closure, with no line more.
        default = pkgs.writeShellApplication {
          name = "hello";
          runtimeInputs = [ pkgs.hello ];
          text = "hello";
        };

        # Or an image that you put together: `flakeship publish .#image`.
        image = pkgs.dockerTools.streamLayeredImage {
          name = "hello";
          tag = "latest";
          contents = [
            pkgs.dockerTools.caCertificates
            pkgs.dockerTools.fakeNss # /etc/passwd, with the user nobody
          ];
          config.Entrypoint = [ "${default}/bin/hello" ];
          config.User = "nobody";
        };
      });
    };
}
