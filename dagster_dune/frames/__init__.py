"""Data between Dune and Python: results as Arrow frames, files and tables, and frames as tables on Dune.

Nothing here knows of Dagster. A declared type becomes an Arrow type (``dune_types``, ``columns``), values become arrays
(``values``, ``pages``), pages become a stream (``reading``), and a stream becomes whatever frame is asked for
(``targets``, ``results``) or a file (``exports``). The way back is ``table_schema``, ``table_rows`` and ``tables``.
"""

from dagster_dune.frames.extras import needed

needed("pyarrow", "dataframe")
