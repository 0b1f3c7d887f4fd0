"""From Dune's declared types to columns and values of Arrow. `frames.pages` comes next."""
