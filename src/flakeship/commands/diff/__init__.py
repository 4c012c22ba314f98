"""The command `diff`: what differs between two images."""
