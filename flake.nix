{
  description = "Build a container image from a Nix flake, stamp it with CI's metadata and push it to any registry";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      # flakeship publishes images of Linux; on a Mac it needs a builder for them.
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      each = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      package = pkgs: pkgs.callPackage ./nix/package.nix { };
    in
    {
      # nix run github:flakeship/flakeship -- publish .#image ghcr.io/me/app:1
      packages = each (pkgs: rec {
        flakeship = package pkgs;
        default = flakeship;
      });

      apps = each (pkgs: rec {
        flakeship = {
          type = "app";
          program = "${package pkgs}/bin/flakeship";
          meta.description = "Publish a container image from a Nix flake";
        };
        default = flakeship;
      });

      overlays.default = final: _prev: { flakeship = package final; };

      # The tests make an environment of their own: `nix develop` gives them what is no Python package.
      devShells = each (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.git
            pkgs.python3
            pkgs.skopeo
            pkgs.umoci
            pkgs.zstd
          ];
        };
      });

      checks = each (pkgs: {
        version = pkgs.runCommand "flakeship-version" { } ''
          said=$(${package pkgs}/bin/flakeship --version)
          [ "$said" = "flakeship ${(package pkgs).version}" ] || { echo "$said" >&2; exit 1; }
          echo "$said" >$out
        '';
        manual-and-completions = pkgs.runCommand "flakeship-manual-and-completions" { } ''
          for file in man/man1/flakeship.1* bash-completion/completions/flakeship zsh/site-functions/_flakeship \
            fish/vendor_completions.d/flakeship.fish; do
            set -- ${package pkgs}/share/$file # nixpkgs compresses the manual
            [ -e "$1" ] || { echo "the package has no share/$file" >&2; exit 1; }
          done
          echo there >$out
        '';
      });

      # nix flake init --template github:flakeship/flakeship
      templates.default = {
        path = ./nix/template;
        description = "A package, the image of it, and the workflows that publish it on GitHub and GitLab";
        welcomeText = ''
          You have a package, its image, and workflows for GitHub and GitLab. Next:

          1. `nix flake lock` notes which nixpkgs you build with. Commit flake.lock beside the other files.
          2. `nix run github:flakeship/flakeship -- publish .#image` builds the image, and writes it to ./flakeship-image.
             With Docker and no Nix, take the lines of the README instead: https://github.com/flakeship/flakeship#get-it
          3. Push to GitHub or GitLab, and the workflow publishes it there. Delete the workflow that you do not need.

          Name what you build here in your .gitignore: `/result*` and `/*.tar`. A layout such as ./flakeship-image ignores itself.
        '';
      };
    };
}
