"""Asking an account whether what is assumed about Dune holds: see docs/doctor.md.

`assumptions` says what there is to ask, `account` and `executing` ask it, and a `Report` goes out.
"""
