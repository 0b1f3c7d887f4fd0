"""Translates CAST and implicit coercions, with one module for each kind of target type."""
