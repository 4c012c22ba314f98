{
  description = "An OCI image layout, as other builders leave one: its compressed layers are published as they are";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { nixpkgs, ... }:
    let
      system = "x86_64-linux";
      pkgs = nixpkgs.legacyPackages.${system};
      archive = pkgs.dockerTools.buildLayeredImage {
        name = "hello";
        config.Entrypoint = [ (pkgs.lib.getExe pkgs.hello) ];
      };
    in
    {
      # flakeship publish --flake .#image --tags ghcr.io/owner/hello:1.0
      packages.${system}.image = pkgs.runCommand "hello-layout" { nativeBuildInputs = [ pkgs.skopeo ]; } ''
        skopeo --tmpdir $TMPDIR --insecure-policy copy docker-archive:${archive} oci:$out:1.0
      '';
    };
}
