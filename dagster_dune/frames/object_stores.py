"""Objects of any file system that fsspec knows: whole or not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster_dune.errors import DuneConfigurationError
from dagster_dune.frames.extras import needed
from dagster_dune.frames.leftovers import temporary_folder


@contextmanager
def whole_object(file_system: Any, path: str) -> Iterator[Any]:
    """Write an object that exists once it is complete.

    In a transaction, fsspec holds the completion back, where the files of the file system can. Others complete what
    they have when they are closed: there, all is written to disk first, and uploaded as one file.

    Args:
        file_system: One of fsspec, which nobody else uses.
        path: The path in it.

    Yields:
        What is written to.

    Raises:
        DuneConfigurationError: The file system has neither way.
    """
    transaction = file_system.transaction
    with transaction:
        file = file_system.open(path, "wb")
        if file in transaction.files and _holds_back(file):
            try:
                yield file
                file.close()
            except BaseException:
                _let_go(file)
                raise
            return
        _let_go(file)
        transaction.files.clear()
    if not _uploads_files(file_system):
        raise DuneConfigurationError(
            f"An export to {file_system.unstrip_protocol(path)} could be seen, and read, before it is whole: files of "
            f"{type(file_system).__name__} cannot be held back.",
            hint="Write it to a local path, and copy it from there.",
        )
    with temporary_folder() as folder:
        kept = folder / "object"
        with kept.open("wb") as local:
            yield local
        file_system.put_file(str(kept), path)


def _holds_back(file: Any) -> bool:
    """Whether an open file knows how to be completed, and how to be given up, apart from being closed."""
    general = needed("fsspec.spec", "dataframe").AbstractBufferedFile
    ways = [(getattr(file, name, None), getattr(general, name)) for name in ("commit", "discard")]
    return all(own is not None and getattr(own, "__func__", own) is not other for own, other in ways)


def _let_go(file: Any) -> None:
    """Leave a file as it is: closing it would send what it holds, and complete it."""
    if isinstance(file, needed("fsspec.spec", "dataframe").AbstractBufferedFile):
        file.closed = True


def _uploads_files(file_system: Any) -> bool:
    """Whether a file system has a way of its own to upload a local file, which is not to open, write and close."""
    general, concurrent = needed("fsspec.spec", "dataframe"), needed("fsspec.asyn", "dataframe")
    if isinstance(file_system, concurrent.AsyncFileSystem):
        return type(file_system)._put_file is not concurrent.AsyncFileSystem._put_file
    return type(file_system).put_file is not general.AbstractFileSystem.put_file
