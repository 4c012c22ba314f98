"""The SBOM of an image: components made of what Nix knows, and the documents that are written of them."""
