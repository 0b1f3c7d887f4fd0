"""What checks say, and what gates hold back: the ends of their nodes and what a run knows anyway, as check results."""
