"""An example code location: DEX analytics on Dune, materialized through one pipeline call."""
