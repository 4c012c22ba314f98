"""The command `sbom`: what is in an image, as an SBOM that scanners read."""
