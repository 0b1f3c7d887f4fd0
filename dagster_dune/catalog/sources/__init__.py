"""Reads the contents of a `DuneCatalog` from a folder of ``.sql`` files, from an account, or from both."""
