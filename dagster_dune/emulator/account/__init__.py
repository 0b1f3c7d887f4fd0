"""What the local Dune's team owns: queries with their parameters, matviews with their schedules, uploads.

Request bodies come in (`requests`) and are checked; plain values go out. It holds no rows: these are the engine's, and
`execution` decides when they are made.
"""
