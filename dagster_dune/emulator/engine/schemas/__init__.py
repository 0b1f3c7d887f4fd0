"""Infers the columns of tables from the SQL that reads them, reads and writes schema files, and generates rows."""
