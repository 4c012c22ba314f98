"""The command `why`: what brings a package into an image."""
