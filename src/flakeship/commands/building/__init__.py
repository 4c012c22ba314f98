"""How Nix is made ready for a run and asked to build: here, on other machines, in a far store, or out of caches."""
