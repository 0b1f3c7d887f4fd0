"""Dune over HTTP: `client.DuneApiClient`, its `models` and its `errors`."""
