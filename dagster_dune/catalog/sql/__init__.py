"""What the text of a query says: what it reads, and a fingerprint of it.

In comes DuneSQL, out go references. The syntax tree is asked first, tokens where it cannot be had.
"""
