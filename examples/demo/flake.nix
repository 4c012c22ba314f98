{
  description = "A greeting in one megabyte, made without nixpkgs so that it builds without the network";

  outputs =
    { self }:
    let
      # ./bin/busybox is put here by `./dev demo`; a flake of yours would take everything from nixpkgs.
      imageFor =
        system:
        derivation {
          name = "hello.tar.gz";
          inherit system;
          builder = "${./bin}/busybox";
          args = [
            "sh"
            ./build-image.sh
          ];
          architecture = if system == "aarch64-linux" then "arm64" else "amd64";
        };
    in
    {
      packages.x86_64-linux = rec {
        image = imageFor "x86_64-linux";
        default = image;
      };
      packages.aarch64-linux = rec {
        image = imageFor "aarch64-linux";
        default = image;
      };
    };
}
