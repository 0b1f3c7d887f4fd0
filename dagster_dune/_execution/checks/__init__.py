"""Check results, from the ends of the checks' nodes and from materializations; and which nodes gates block."""
