"""Texts: letters and parts, patterns, formats, words, URLs."""
