"""Objects of any file system that fsspec knows: whole or not there."""

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
    if _holds_files_back(file_system, path):
        with file_system.transaction:
            file = file_system.open(path, "wb")
            try:
                yield file
                file.close()
            except BaseException:
                _let_go(file)
                raise
        return
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


def _holds_files_back(file_system: Any, path: str) -> bool:
    """Whether files are held back until a transaction ends; a file beside is opened, since that may truncate one."""
    probe = f"{path}.{uuid.uuid4().hex[:8]}.part"
    transaction = file_system.transaction
    with transaction:
        file = file_system.open(probe, "wb")
        is_held_back = file in transaction.files and _holds_back(file)
        transaction.files.clear()
    _let_go(file)
    with suppress(Exception):  # of stores that have begun nothing, and so find nothing to remove
        if is_held_back:
            file.discard()
        elif file_system.exists(probe):
            file_system.rm_file(probe)
    return is_held_back


def _holds_back(file: Any) -> bool:
    """Whether an open file knows how to be completed, and how to be given up, apart from being closed."""
    general = needed("fsspec.spec", "dataframe").AbstractBufferedFile
    ways = [(getattr(file, name, None), getattr(general, name)) for name in ("commit", "discard")]
    return all(own is not None and getattr(own, "__func__", own) is not other for own, other in ways)


def _let_go(file: Any) -> None:
    """Leave a file as it is: to close one that holds what it has not sent would send it, and complete the file."""
    if isinstance(file, needed("fsspec.spec", "dataframe").AbstractBufferedFile):
        file.closed = True
    else:
        with suppress(Exception):  # what cannot be closed is given up as it is
            file.close()


def _uploads_files(file_system: Any) -> bool:
    """Whether a file system has a way of its own to upload a local file, which is not to open, write and close."""
    general, concurrent = needed("fsspec.spec", "dataframe"), needed("fsspec.asyn", "dataframe")
    if isinstance(file_system, concurrent.AsyncFileSystem):
        return type(file_system)._put_file is not concurrent.AsyncFileSystem._put_file
    return type(file_system).put_file is not general.AbstractFileSystem.put_file
