"""One attempt of one step: what it takes over from earlier attempts, what it sends, and the events that it yields.

It takes the plan of a selection and yields Dagster's events. `submissions` records what was sent, and decides what an
attempt does about it. `pipeline` follows a pipeline on Dune, and `event_stream` turns its outcomes into events.
"""
