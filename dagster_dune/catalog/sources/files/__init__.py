"""A folder of SQL files with their headers and `dune.yml`, as contents of a catalog."""
