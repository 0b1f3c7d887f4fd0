"""Dune over HTTP: `DuneApiClient`, a method an endpoint, its wire models and its errors. Pure of Dagster.

A method of `endpoints` is called, `http` sends its request, and one of `models` or `errors` comes back. The `key` shows
itself to nobody else.
"""
