"""What vouches for an image: artifacts about it, the statements in them and their signatures. Nothing here does I/O."""
