"""Dune over HTTP: `DuneApiClient`, a method an endpoint, its wire models and its errors. Pure of Dagster."""
