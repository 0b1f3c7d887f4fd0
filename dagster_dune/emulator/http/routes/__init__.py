"""The HTTP endpoints, a module a group. Each exports its `routes`; the groups are those of Dune's documentation."""
