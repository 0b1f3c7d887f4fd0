"""Dune over HTTP: `DuneApiClient` with a method for each endpoint, wire models and errors. It does not import Dagster.

A method of `endpoints` sends its request through `http`, and returns one of `models` or raises one of `errors`. `key`
keeps the API key out of everything but the request's header.
"""
