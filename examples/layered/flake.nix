{
  description = "Images of dockerTools: a script that streams, and archives in layers or in one";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { nixpkgs, ... }:
    let
      perSystem = nixpkgs.lib.genAttrs [
        "x86_64-linux"
        "aarch64-linux"
      ];
    in
    {
      packages = perSystem (
        system:
        let
          pkgs = nixpkgs.legacyPackages.${system};
          image = {
            name = "hello";
            tag = "latest";
            contents = [ pkgs.cacert ];
            config.Entrypoint = [ (pkgs.lib.getExe pkgs.hello) ];
            config.User = "65532:65532";
          };
        in
        {
          # flakeship publish --flake .#stream --tags ghcr.io/owner/hello:1.0
          # The layers are made from the store, and only those that the registry lacks.
          stream = pkgs.dockerTools.streamLayeredImage image;

          # The same as a file, for those who need one.
          layered = pkgs.dockerTools.buildLayeredImage image;

          # In one layer.
          single = pkgs.dockerTools.buildImage {
            inherit (image) name tag config;
            copyToRoot = pkgs.cacert;
          };
        }
      );
    };
}
