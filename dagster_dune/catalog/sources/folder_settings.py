"""``dune.yml``: what a folder says of its ``.sql`` files outside of them.

For folders whose files cannot carry headers, or whose settings belong in one place. Folders in it may have their own::

    queries:
      volumes.sql:
        id: 4711
        owners: [team:dex]
      staging/trades.sql:
        matview: dune.acme.result_trades
        performance: large
    external: [dune.other.result_labels]
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from dagster_dune.catalog.sources.header import Header
from dagster_dune.catalog.sources.yaml_text import line_of, read_yaml
from dagster_dune.errors import DuneCatalogError

FILE_NAME = "dune.yml"


class FolderSettings(BaseModel):
    """What one ``dune.yml`` says.

    Attributes:
        queries: By the path of a ``.sql`` file beside or below it, what its header could say as well.
        external: Matviews and queries of others that `deps` may name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: dict[str, Header] = {}
    external: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """What the ``dune.yml`` files of a folder say together.

    Attributes:
        queries: By ``.sql`` file, what its header could say as well.
        external: Matviews and queries of others that `deps` may name.
    """

    queries: Mapping[Path, Header]
    external: tuple[str, ...]


def read_settings(folder: Path, files: Collection[Path]) -> Settings:
    """Read the ``dune.yml`` of a folder, and those of the folders in it.

    Each speaks of the files beside it and below it. Where two of them speak of one file, what the nearer one says
    counts, key by key.

    Args:
        folder: The folder.
        files: The ``.sql`` files in it.

    Returns:
        What they say.

    Raises:
        DuneCatalogError: One of them cannot be read, holds an unknown key or a wrong value, or names a file that is
            missing.
    """
    queries: dict[Path, Header] = {}
    external: list[str] = []
    for path in sorted(visible_files(folder, FILE_NAME), key=lambda path: (len(path.parts), path)):
        said = _read(path, files)
        external += said.external
        for name, header in said.queries.items():
            file = path.parent / name
            queries[file] = header.over(queries.get(file, Header()))
    return Settings(queries, tuple(dict.fromkeys(external)))


def _read(path: Path, files: Collection[Path]) -> FolderSettings:
    text = read_text(path)
    settings = read_yaml(text, FolderSettings, source=str(path), what=FILE_NAME)
    if not settings.queries:
        return settings
    present = {file.relative_to(path.parent).as_posix() for file in files if path.parent in file.parents}
    for name in settings.queries:
        if name not in present:
            close = get_close_matches(name, sorted(present), n=1)
            raise DuneCatalogError(
                f"{path}, line {line_of(text, 'queries', name)}: there is no file {name} beside it.",
                hint=f"Did you mean {close[0]}?" if close else "Write its path as seen from dune.yml.",
            )
    return settings


def visible_files(folder: Path, pattern: str) -> Iterator[Path]:
    """Find the files of a folder, and of the folders in it, except hidden ones and those in hidden folders."""
    for file in folder.rglob(pattern):
        is_hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if not is_hidden and file.is_file():
            yield file


def read_text(file: Path) -> str:
    """Read a file.

    Raises:
        DuneCatalogError: It is no readable UTF-8 text.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DuneCatalogError(f"{file} cannot be read: {error}.", hint="It must be readable UTF-8 text.") from error
