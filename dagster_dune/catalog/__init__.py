"""What exists on Dune, and what reads what."""
