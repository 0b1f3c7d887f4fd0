"""One run of one pipeline."""
