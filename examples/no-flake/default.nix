# flakeship publish --file default.nix --attr image --nix-path nixpkgs=channel:nixos-unstable --tags …
{
  pkgs ? import <nixpkgs> { },
}:

{
  image = pkgs.dockerTools.streamLayeredImage {
    name = "hello";
    config.Entrypoint = [ "${pkgs.hello}/bin/hello" ];
  };
}
