"""The command `merge`: images of several platforms, each pushed by its digest, get one index and its tags."""
