"""Resolve: names of tables and query views come in, what they stand for goes out; next is `types`."""
