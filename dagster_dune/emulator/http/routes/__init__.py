"""The HTTP endpoints, one module for each group of Dune's documentation. Each module exports its `routes`."""
