"""Frames as tables on Dune: which types they get (``schema``), how rows are written (``bodies``), and what is sent."""
