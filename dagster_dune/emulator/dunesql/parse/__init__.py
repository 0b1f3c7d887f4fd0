"""Parse: DuneSQL text comes in, a tree of sqlglot's goes out, with only functions of the list; next is `resolve`."""
