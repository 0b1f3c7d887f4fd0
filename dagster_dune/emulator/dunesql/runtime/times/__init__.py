"""Times: zones, casts, ISO 8601, patterns of MySQL and Joda, spans."""
