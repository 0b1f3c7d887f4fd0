"""Writes results to Parquet files, at a path or in an object store, in bounded memory. Files appear when complete."""

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
from dagster_dune.frames.leftovers import is_abandoned, lock_new_file
from dagster_dune.frames.object_stores import atomic_object
from dagster_dune.frames.targets import unique_names
from dagster_dune.paging.options import Export

ROW_GROUP_ROWS = 100_000
ROW_GROUP_BYTES = 32 * 2**20
COMPRESSIONS = ("zstd", "snappy", "gzip", "lz4", "none")
_ASSET = b"dagster-dune/asset"
_PART = ".part"
_PART_NAME_BYTES = 240
"""The maximum of a file's name in that of its temporary file: names have 255 bytes at the most."""
_MOVES_OPEN_FILES = os.name != "nt"


class Source(Protocol):
    """A source of record batches, such as a reader of results."""

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
    """Write a result to one Parquet file, which appears under its name only when it is complete.

    On a local file system, a temporary file in the same folder is renamed at the end; in an object store, the upload is
    completed at the end. The metadata of the schema and of each field hold Dune's types.

    Args:
        source: The result.
        to: A path, or a URL of any file system that fsspec knows, such as ``s3://bucket/trades.parquet``.
        compression: zstd, snappy, gzip, lz4 or none.
        storage_options: What fsspec needs for the URL.
        asset: The asset that owns the file, which is written into the metadata of its schema.

    Returns:
        The rows and bytes that were read.

    Raises:
        DuneConfigurationError: The compression or the file system is not known, or shows incomplete files.
        DuneResultError: The file cannot be written, or the existing one belongs to another asset.
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
    """Raise an error if an existing file names another asset as its owner."""
    found = None
    # There may be no file, none of Parquet, or one that may not be read: each store has its own errors.
    with suppress(Exception), _open(os.fspath(to), storage_options) as file:
        found = pq.read_schema(file).metadata.get(_ASSET)
    if found not in (None, asset.encode()):
        raise DuneResultError(
            f"{without_password(os.fspath(to))} has been exported by the asset {found.decode(errors='replace')}, and "
            f"{asset} would replace it.",
            hint="Give each export a folder of its own. If that asset is no more, delete the file.",
        )


def local_path(path: str | os.PathLike[str]) -> Path:
    """Return a path on this machine, with a tilde at the beginning expanded to the home folder."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  (what it does not know stays as it is)


def _open(text: str, storage_options: Mapping[str, Any]) -> Any:
    if "://" not in text:
        return local_path(text).open("rb")
    fsspec = needed("fsspec", "dataframe")
    file_system, path = fsspec.core.url_to_fs(text, skip_instance_cache=True, **storage_options)
    return file_system.open(path, "rb")


class _Sink:
    """The file of a Parquet writer, which ignores writes after `detach`."""

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

    def detach(self) -> None:
        self._file = None


@contextmanager
def _parquet_writer(file: Any, schema: pa.Schema, compression: str) -> Iterator[pq.ParquetWriter]:
    """Open a Parquet writer. The footer, which makes the file valid, is written only if nothing has failed."""
    sink = _Sink(file)
    writer = pq.ParquetWriter(sink, schema, compression=compression)
    try:
        yield writer
        writer.close()
    except BaseException:
        sink.detach()
        with suppress(Exception):
            writer.close()
        raise


def _row_groups(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Collect batches into row groups, which are limited in rows and in bytes, since rows may be wide."""
    pending: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        pending.append(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= ROW_GROUP_ROWS or size >= ROW_GROUP_BYTES:
            yield pa.Table.from_batches(pending, schema)
            pending, rows, size = [], 0, 0
    if pending:
        yield pa.Table.from_batches(pending, schema)


def destination(to: str | os.PathLike[str], storage_options: Mapping[str, Any]) -> Any:
    """Open a file at a path or a URL for writing. It appears there only when it is complete.

    Args:
        to: The path or URL.
        storage_options: What fsspec needs for the URL.

    Returns:
        A context manager of a binary file.

    Raises:
        DuneConfigurationError: The file system is not known.
        DuneResultError: The file system cannot be reached.
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
    """Write a temporary file in the same folder, and rename it when it is complete. Leftovers are removed first.

    Args:
        path: The path of the file, or a link to it.

    Yields:
        A file to write to.

    Raises:
        DuneResultError: The file cannot be written.
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
    """Return the message of an error, or its type if the message is empty."""
    return str(error).strip().removesuffix(".") or type(error).__name__


def _new_part(path: Path) -> tuple[Path, IO[bytes]]:
    """Open a temporary file, which is locked until its writer ends."""
    while True:
        part = path.with_name(f".{_name_in_part(path)}.{uuid.uuid4().hex[:8]}{_PART}")
        file = part.open("xb")
        if lock_new_file(file) and part.exists():  # nobody took it for a leftover before it was locked
            return part, file
        file.close()


def _name_in_part(path: Path) -> str:
    name = os.fsencode(path.name)
    return path.name if len(name) <= _PART_NAME_BYTES else name[:_PART_NAME_BYTES].decode(errors="ignore")


def _remove_leftovers(path: Path) -> None:
    for part in path.parent.glob(f".{_escaped(_name_in_part(path))}.????????{_PART}"):
        with suppress(OSError), part.open("rb+") as file:
            if is_abandoned(part, file):
                part.unlink()


def _escaped(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _sync(folder: Path) -> None:
    """Sync a folder, if possible, so that the new name survives a power failure."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
