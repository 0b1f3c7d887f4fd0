"""Checks which of the assumptions about Dune hold on an account: see docs/doctor.md.

`assumptions` lists them. `account` checks those that need only reads, `executing` those that need executions, and both
write their findings into a `Report`.
"""
