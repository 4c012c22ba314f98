"""The command `cache`: what the Nix cache of a repository holds, whether it is whole, and the removal of what is old."""
