"""The base classes of `DuneApiClient`: a class for each resource of Dune's API, with a method for each endpoint."""
