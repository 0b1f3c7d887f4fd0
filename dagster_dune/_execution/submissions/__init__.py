"""Decides which attempt sends nodes to Dune, and records what was sent.

`submission` is what one sending is, `submission_record` keeps it in the event log (`legacy_record` reads what older
versions kept), `run_group` finds the attempts that count, `definitions` the submissions that do, `policy` makes of them
what an attempt sees and may, `protocol` decides, in `actions`, and `sender` sends. `step` comes next.

`write_record` stands apart from them: it keeps writes of one table on Dune from each other, in the same event logs.
"""
