"""Writes frames to tables on Dune: ``schema`` chooses the types, ``bodies`` encodes rows, ``tables`` sends requests."""
