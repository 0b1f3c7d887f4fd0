"""Functions of JSON: documents, casts, and the paths and functions of the SQL standard."""
