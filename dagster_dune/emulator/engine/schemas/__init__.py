"""Tables of any name: their columns found in SQL, written to files and read from them, and filled with rows."""
