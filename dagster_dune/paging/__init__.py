"""Requests the pages of an execution's result, several at once, and checks, orders and counts them.

A reader converts the pages: to record batches (`dagster_dune.frames`), or to rows of JSON values (`json_rows`). Nothing
here needs Arrow.
"""
