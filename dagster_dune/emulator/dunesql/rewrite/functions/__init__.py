"""Rewrites of functions, a module a kind: times, zones, arrays, lambdas, bits and bytes, JSON paths, formats."""
