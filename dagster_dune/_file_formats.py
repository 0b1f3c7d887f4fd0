"""Formats of files, by the extensions of their names, and which of them results are written in."""

from __future__ import annotations

from pathlib import PurePosixPath

from dagster_dune._formatting import without_password
from dagster_dune.errors import DuneConfigurationError

PARQUET, DUCKDB, CSV, NDJSON = "Parquet", "DuckDB", "CSV", "NDJSON"
_EXTENSIONS = {
    PARQUET: "parquet parq pq",
    DUCKDB: "duckdb ddb db",
    CSV: "csv",
    NDJSON: "ndjson jsonl",
    "another": (
        "7z arrow avro bz2 docx dta feather gz h5 hdf5 htm html ipc json lz4 md msgpack ods orc pdf pickle pkl rar rds "
        "sas7bdat sav snappy sql sqlite sqlite3 tar tgz toml tsv txt xls xlsb xlsm xlsx xml xz yaml yml zip zst"
    ),
}
_FORMATS = {extension: format_ for format_, extensions in _EXTENSIONS.items() for extension in extensions.split()}


def format_of(place: str) -> str | None:
    """Return the format that a name of a file says, ``another`` for one that no result is written in.

    Args:
        place: A path or a URL.

    Returns:
        The format; None where the name has no extension, or one that is of no format, as of ``v1.2``.

    Examples:
        >>> format_of("s3://a/B.CSV"), format_of("a/b.parquet.gz"), format_of("a.csv/v1.2")
        ('CSV', 'another', None)
    """
    name = place.replace("\\", "/").rpartition("/")[2]
    return _FORMATS.get(PurePosixPath(name).suffix.lower().removeprefix("."))


def check_export(place: str, *, has_table: bool) -> None:
    """Check that the name of an export says no other format than the one that is written.

    Args:
        place: The path or URL of the file, or of a folder of files.
        has_table: Whether it is a table of a DuckDB file, and not Parquet.

    Raises:
        DuneConfigurationError: It does.
    """
    named = format_of(place)
    if named in (None, DUCKDB if has_table else PARQUET):
        return
    written = "a DuckDB file, which is what is written with a table" if has_table else None
    raise DuneConfigurationError(
        f"{without_password(place)} would be {written or 'Parquet, which is what is written without a table'}.",
        hint="Name a .duckdb or .db file, or leave the table out for .parquet; dagster-dune results writes .csv and "
        ".ndjson."
        if has_table
        else "Name a .parquet file or a folder. Give the table of a DuckDB file (.duckdb, .db); dagster-dune results "
        "writes CSV and NDJSON.",
    )


def format_to_write(place: str) -> str:
    """Return the format that a result is written in, as the name of its file says.

    Raises:
        DuneConfigurationError: The name says none of `PARQUET`, `CSV` and `NDJSON`.
    """
    if (named := format_of(place)) in (PARQUET, CSV, NDJSON):
        return str(named)
    raise DuneConfigurationError(f"{without_password(place)} ends with none of .parquet, .csv and .ndjson.")
