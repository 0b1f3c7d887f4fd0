"""What `DuneApiClient` is made of: a class a resource of Dune's API, a method an endpoint."""
