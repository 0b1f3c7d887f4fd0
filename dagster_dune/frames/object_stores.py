"""Writes objects to any fsspec file system, which exist only when they are complete."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dagster_dune.errors import DuneConfigurationError
from dagster_dune.frames.extras import needed
from dagster_dune.frames.leftovers import temporary_folder


@contextmanager
def atomic_object(file_system: Any, path: str) -> Iterator[Any]:
    """Write an object that exists only when it is complete.

    In a transaction, fsspec defers the completion of files, if those of the file system support it. Other files are
    completed when they are closed, whatever they hold: the object is then written to disk, and uploaded as one file.

    Args:
        file_system: An fsspec file system, which nothing else uses.
        path: The path of the object.

    Yields:
        A file to write to.

    Raises:
        DuneConfigurationError: The file system supports neither.
    """
    if _defers_files(file_system, path):
        with file_system.transaction:
            file = file_system.open(path, "wb")
            try:
                yield file
                file.close()
            except BaseException:
                _abandon(file)
                raise
        return
    if not _uploads_files(file_system):
        raise DuneConfigurationError(
            f"An export to {file_system.unstrip_protocol(path)} could be seen, and read, before it is whole: files of "
            f"{type(file_system).__name__} cannot be held back.",
            hint="Write it to a local path, and copy it from there.",
        )
    with temporary_folder() as folder:
        local_path = folder / "object"
        with local_path.open("wb") as local:
            yield local
        file_system.put_file(str(local_path), path)


def _defers_files(file_system: Any, path: str) -> bool:
    """Return whether files are deferred until a transaction ends. A probe file is opened, as opening may truncate."""
    probe = f"{path}.{uuid.uuid4().hex[:8]}.part"
    transaction = file_system.transaction
    with transaction:
        file = file_system.open(probe, "wb")
        is_deferred = file in transaction.files and _can_be_discarded(file)
        transaction.files.clear()
    _abandon(file)
    with suppress(Exception):  # of stores that have begun nothing, and so find nothing to remove
        if is_deferred:
            file.discard()
        elif file_system.exists(probe):
            file_system.rm_file(probe)
    return is_deferred


def _can_be_discarded(file: Any) -> bool:
    """Return whether an open file implements both `commit` and `discard`."""
    general = needed("fsspec.spec", "dataframe").AbstractBufferedFile
    methods = [(getattr(file, name, None), getattr(general, name)) for name in ("commit", "discard")]
    return all(own is not None and getattr(own, "__func__", own) is not other for own, other in methods)


def _abandon(file: Any) -> None:
    """Abandon an open file without closing it if possible: closing would send its buffer and complete the file."""
    if isinstance(file, needed("fsspec.spec", "dataframe").AbstractBufferedFile):
        file.closed = True
    else:
        with suppress(Exception):  # what cannot be closed is given up as it is
            file.close()


def _uploads_files(file_system: Any) -> bool:
    """Return whether a file system has its own upload of a local file, instead of fsspec's open, write and close."""
    general, concurrent = needed("fsspec.spec", "dataframe"), needed("fsspec.asyn", "dataframe")
    if isinstance(file_system, concurrent.AsyncFileSystem):
        return type(file_system)._put_file is not concurrent.AsyncFileSystem._put_file
    return type(file_system).put_file is not general.AbstractFileSystem.put_file
