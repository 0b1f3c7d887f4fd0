"""Reads a folder of SQL files, with their headers and `dune.yml`, as the contents of a catalog."""
