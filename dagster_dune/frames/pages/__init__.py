"""Reads the pages of a result, in CSV or in JSON, as checked record batches."""
