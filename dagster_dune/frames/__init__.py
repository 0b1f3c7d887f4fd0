"""Moves data between Dune and Python: results as Arrow frames, files and tables, and frames as tables on Dune.

Nothing here depends on Dagster. ``types`` converts declared types and values to Arrow, ``pages`` reads pages as record
batches, and ``result_reader`` streams them. ``targets`` and ``results`` make frames of a stream; ``exports``,
``text_files`` and ``duckdb_tables`` write it to files. ``uploads`` writes frames to Dune.
"""

from dagster_dune.frames.extras import needed

needed("pyarrow", "dataframe")
