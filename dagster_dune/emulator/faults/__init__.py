"""What goes wrong on demand: the kinds of faults, and the rules that say when one strikes.

`http` asks here before it answers a request, and `execution` before it runs a query.
"""
