"""Functions: what is known of each, a module a kind; `catalog` has them all by their names."""
