"""Functions of numbers: doubles, decimals, integers, 256-bit integers, statistics."""
