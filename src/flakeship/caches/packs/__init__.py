"""A cache of store paths in a registry or in an image layout: a tag for each root, an index, and packs of compressed NARs.

docs/decisions.md#the-cache-in-a-registry-is-packs
"""
