"""Build a container image from a Nix flake, stamp it with CI's metadata and push it to any registry."""

__version__ = "1.0.0"
