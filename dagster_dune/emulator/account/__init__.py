"""The account of a team: queries with their parameters, matviews with their schedules, uploads.

It validates request bodies and stores their values. The rows of tables are stored by the `engine`, and `execution`
computes them.
"""
