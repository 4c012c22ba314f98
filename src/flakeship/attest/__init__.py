"""What vouches for an image: artifacts about it, the statements in them and their signatures. Only `keyless` and
`keyless_verification` do I/O, by a library.
"""
