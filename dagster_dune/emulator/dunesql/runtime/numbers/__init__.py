"""Numbers: doubles, decimals, integers of a word and of 256 bits, statistics."""
