"""Data between Dune and Python: results as Arrow frames, files and tables, and frames as tables on Dune.

Nothing here knows of Dagster. A declared type becomes an Arrow type and values become arrays (``types``), pages become
record batches (``pages``) and these a stream (``result_reader``), and a stream becomes whatever frame is asked for
(``targets``, ``results``) or a file (``exports``, ``text_files``, ``duckdb_tables``). The way back is ``uploads``.
"""

from dagster_dune.frames.extras import needed

needed("pyarrow", "dataframe")
