"""Functions of times: zones, casts, ISO 8601, patterns of MySQL and Joda, durations."""
