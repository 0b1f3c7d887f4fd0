"""Functions of texts: characters and parts, patterns, formats, words, URLs."""
