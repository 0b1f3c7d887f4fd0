"""Converts Dune's declared types and values to Arrow columns. `frames.pages` uses it to read pages."""
