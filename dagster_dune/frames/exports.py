"""Results as Parquet files: whole or not there, in bounded memory, at a path or in an object store."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_dune._formatting import without_password
from dagster_dune.errors import DuneConfigurationError, DuneError, DuneResultError
from dagster_dune.frames.extras import needed
from dagster_dune.frames.leftovers import can_be_written, is_abandoned
from dagster_dune.frames.object_stores import atomic_object
from dagster_dune.frames.targets import unique_names
from dagster_dune.paging.options import Export

ROW_GROUP_ROWS = 100_000
ROW_GROUP_BYTES = 32 * 2**20
COMPRESSIONS = ("zstd", "snappy", "gzip", "lz4", "none")
_ASSET = b"dagster-dune/asset"
_PART = ".part"
_MOVES_OPEN_FILES = os.name != "nt"


class Source(Protocol):
    """What gives record batches: a reader of results, or any of the same shape."""

    schema: pa.Schema
    export: Export

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the rows."""


def write_parquet(
    source: Source,
    to: str | os.PathLike[str],
    *,
    compression: str = "zstd",
    storage_options: Mapping[str, Any] | None = None,
    asset: str | None = None,
) -> Export:
    """Write a result as one Parquet file, which stands under its name when it is whole, and never before.

    On a local file system it is written beside its name and moved; in an object store the store's own upload is
    completed at the end. Dune's types stand in the metadata of the schema and of each field.

    Args:
        source: The result.
        to: A path, or a URL of any file system that fsspec knows, such as ``s3://bucket/trades.parquet``.
        compression: zstd, snappy, gzip, lz4 or none.
        storage_options: What fsspec needs for the URL.
        asset: The asset that the file is of, which stands in the metadata of its schema.

    Returns:
        The rows and bytes that were read.

    Raises:
        DuneConfigurationError: The compression or the file system is not known, or shows files that are not whole.
        DuneResultError: The file cannot be written there, or the one that stands there is of another asset.
    """
    if compression not in COMPRESSIONS:
        raise DuneConfigurationError(f"compression={compression!r} is none of {', '.join(COMPRESSIONS)}.")
    names = unique_names(source.schema.names)
    schema = source.schema.empty_table().rename_columns(names).schema.with_metadata(source.schema.metadata)
    if asset is not None:
        _check_asset(to, storage_options or {}, asset)
        schema = schema.with_metadata({**(schema.metadata or {}), _ASSET: asset})
    with destination(to, storage_options or {}) as file, _parquet_writer(file, schema, compression) as writer:
        for group in _row_groups(source.batches(), schema):
            writer.write_table(group, row_group_size=max(1, group.num_rows))
    return source.export


def _check_asset(to: str | os.PathLike[str], storage_options: Mapping[str, Any], asset: str) -> None:
    """Refuse to replace the file of another asset; one that names none may be replaced."""
    there = None
    # There may be no file, none of Parquet, or one that may not be read: each store has its own errors.
    with suppress(Exception), _opened(os.fspath(to), storage_options) as file:
        there = pq.read_schema(file).metadata.get(_ASSET)
    if there not in (None, asset.encode()):
        raise DuneResultError(
            f"{without_password(os.fspath(to))} has been exported by the asset {there.decode(errors='replace')}, and "
            f"{asset} would replace it.",
            hint="Give each export a folder of its own. If that asset is no more, delete the file.",
        )


def local_path(path: str | os.PathLike[str]) -> Path:
    """Return a path on this machine, of which a tilde at the beginning is somebody's home folder."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  (what it does not know stays as it is)


def _opened(text: str, storage_options: Mapping[str, Any]) -> Any:
    if "://" not in text:
        return local_path(text).open("rb")
    fsspec = needed("fsspec", "dataframe")
    file_system, path = fsspec.core.url_to_fs(text, skip_instance_cache=True, **storage_options)
    return file_system.open(path, "rb")


class _Sink:
    """What a Parquet writer writes to, until something fails."""

    closed = False

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: Any) -> int:
        if self._file is None:
            return memoryview(data).nbytes
        return int(self._file.write(data))

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def drop(self) -> None:
        self._file = None


@contextmanager
def _parquet_writer(file: Any, schema: pa.Schema, compression: str) -> Iterator[pq.ParquetWriter]:
    """Write Parquet; its footer, which makes a file of what has been written, is written when nothing has failed."""
    sink = _Sink(file)
    writer = pq.ParquetWriter(sink, schema, compression=compression)
    try:
        yield writer
        writer.close()
    except BaseException:
        sink.drop()
        with suppress(Exception):
            writer.close()
        raise


def _row_groups(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Gather what is written at once: rows take as much memory as they are wide."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        held.append(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= ROW_GROUP_ROWS or size >= ROW_GROUP_BYTES:
            yield pa.Table.from_batches(held, schema)
            held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held, schema)


def destination(to: str | os.PathLike[str], storage_options: Mapping[str, Any]) -> Any:
    """Open what a file is written to, at a path or a URL: it stands there when all is written, and never before.

    Args:
        to: The path or URL.
        storage_options: What fsspec needs for the URL.

    Returns:
        A context manager of a binary file.

    Raises:
        DuneConfigurationError: The file system is not known.
        DuneResultError: It cannot be reached.
    """
    text = os.fspath(to)
    if "://" not in text:
        return atomic_file(local_path(text))
    fsspec = needed("fsspec", "dataframe")
    try:
        file_system, path = fsspec.core.url_to_fs(text, skip_instance_cache=True, **storage_options)
    except (ImportError, ValueError, TypeError) as error:
        raise DuneConfigurationError(
            f"The file system of {without_password(text)!r} cannot be used: {_reason(error)}.",
            hint="Check the URL, storage_options, and that the package of the file system is installed.",
        ) from error
    except Exception as error:  # each store has its own
        raise DuneResultError(
            f"The file system of {without_password(text)!r} cannot be used: {_reason(error)}.",
            hint="Check the URL, storage_options, and that the file system can be reached from here.",
        ) from error
    protocols = [file_system.protocol] if isinstance(file_system.protocol, str) else file_system.protocol
    return atomic_file(Path(path)) if "file" in protocols else _named_object(file_system, path)


@contextmanager
def _named_object(file_system: Any, path: str) -> Iterator[Any]:
    try:
        with atomic_object(file_system, path) as file:
            yield file
    except DuneError:
        raise
    except Exception as error:  # each store has its own
        raise _unwritable(path, error) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file beside its name, and move it there when all is written; what a killed writer left is removed.

    Args:
        path: Its name, or a link to it.

    Yields:
        What is written to.

    Raises:
        DuneResultError: It cannot be written there.
    """
    with _writable(path):
        path = Path(os.path.realpath(path))  # a link stays, and what it names is written
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        if path.exists() and not path.is_file():
            raise OSError(f"{path} is there and no file")
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        part, file = _new_part(path)
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                if _MOVES_OPEN_FILES:  # until it is moved it is locked, and so taken for no leftover
                    part.replace(path)
            if not _MOVES_OPEN_FILES:
                part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync(path.parent)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: str | os.PathLike[str], error: Exception) -> DuneResultError:
    return DuneResultError(
        f"{without_password(path)} cannot be written: {_reason(error)}.",
        hint="Nothing new stands under that name. Make room or give rights there, or choose another place.",
    )


def _reason(error: Exception) -> str:
    """What an error says, or of what type one is that says nothing."""
    return str(error).strip().removesuffix(".") or type(error).__name__


def _new_part(path: Path) -> tuple[Path, IO[bytes]]:
    """Open a part that is locked as long as its writer lives."""
    while True:
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{_PART}")
        file = part.open("xb")
        if can_be_written(file) and part.exists():  # nobody took it for a leftover before it was locked
            return part, file
        file.close()


def _remove_leftovers(path: Path) -> None:
    for part in path.parent.glob(f".{_escaped(path.name)}.????????{_PART}"):
        with suppress(OSError), part.open("rb+") as file:
            if is_abandoned(part, file):
                part.unlink()


def _escaped(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _sync(folder: Path) -> None:
    """Let the new name survive a power cut, where folders can be synced."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
