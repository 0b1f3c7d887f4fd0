"""Pages of a result, in Dune's two formats, as record batches, and what may be wrong with one."""
