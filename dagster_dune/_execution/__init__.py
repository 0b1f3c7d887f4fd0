"""One attempt of one step: what it takes over of earlier attempts, what it sends, and the events that it yields.

In comes the plan of a selection, out go Dagster's events. `submissions` says what was sent and what
an attempt makes of that, `pipeline` follows it on Dune, and `event_stream` tells it to Dagster.
"""
