-- Assumption: local-information-schema.
-- What there is to read, as `information_schema.tables` and `information_schema.columns` tell it. DuckDB's own schema of
-- that name would tell of its own tables too.
CREATE SCHEMA IF NOT EXISTS readable;

CREATE OR REPLACE MACRO readable_type(name) AS
  CASE name
    WHEN 'BIGNUM' THEN 'uint256'
    WHEN 'BLOB' THEN 'varbinary'
    WHEN 'FLOAT' THEN 'real'
    WHEN 'TIMESTAMP' THEN 'timestamp(3)'
    WHEN 'TIMESTAMP WITH TIME ZONE' THEN 'timestamp(3) with time zone'
    ELSE lower(name) END;

CREATE OR REPLACE VIEW readable.tables AS
  SELECT
    'dune' AS table_catalog,
    regexp_replace(schema_name, '^dune[.]', '') AS table_schema,
    table_name,
    'BASE TABLE' AS table_type
  FROM duckdb_tables()
  WHERE NOT internal AND NOT temporary AND schema_name <> 'main';

CREATE OR REPLACE VIEW readable.columns AS
  SELECT
    'dune' AS table_catalog,
    regexp_replace(schema_name, '^dune[.]', '') AS table_schema,
    table_name,
    column_name,
    CAST(column_index AS BIGINT) AS ordinal_position,
    CAST(NULL AS VARCHAR) AS column_default,
    CASE WHEN is_nullable THEN 'YES' ELSE 'NO' END AS is_nullable,
    CASE
      WHEN ends_with(data_type, '[]') THEN 'array(' || readable_type(left(data_type, length(data_type) - 2)) || ')'
      ELSE readable_type(data_type) END AS data_type
  FROM duckdb_columns()
  WHERE NOT internal AND schema_name NOT IN ('main', 'readable');
