"""Parses DuneSQL: the references of a query (the names that it reads), and a fingerprint of its text.

References come from the syntax tree, or from the tokens if the text cannot be parsed.
"""
