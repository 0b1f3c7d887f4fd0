"""The functions of Trino and Dune, with one module for each kind; `catalog` has all of them by name."""
