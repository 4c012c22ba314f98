"""One HTTP server on loopback between Nix and its caches, which answers with what is there or with 404, and nothing else."""
