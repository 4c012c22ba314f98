{
  description = "An image of nix2container: flakeship needs neither its skopeo nor its copyTo scripts";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    nix2container = {
      url = "github:nlewo/nix2container";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs =
    { nixpkgs, nix2container, ... }:
    let
      system = "x86_64-linux";
      pkgs = nixpkgs.legacyPackages.${system};
      inherit (nix2container.packages.${system}.nix2container) buildImage buildLayer;
    in
    {
      # flakeship publish --flake .#image --tags ghcr.io/owner/hello:1.0
      packages.${system}.image = buildImage {
        name = "hello";
        config.entrypoint = [ "${pkgs.hello}/bin/hello" ];
        copyToRoot = [ pkgs.cacert ];
        layers = [ (buildLayer { deps = [ pkgs.glibc ]; }) ];
      };
    };
}
