"""Who may send, and what has been sent: the protocol between attempts, and the record that it reads.

`submission` is what one sending is, `submission_record` keeps it in the event log (`legacy_record` reads what older
versions kept), `family` finds the attempts that count, `protocol` decides, `policy` asks it for a run, and `sender`
sends. `step` comes next.
"""
