"""``dune.yml``: what a folder says of its ``.sql`` files outside of them.

For folders whose files cannot carry headers, or whose settings belong in one place::

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

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from dagster_dune.catalog.header import Header
from dagster_dune.catalog.yaml_text import line_of, read_yaml
from dagster_dune.errors import DuneCatalogError

FILE_NAME = "dune.yml"


class FolderSettings(BaseModel):
    """What a ``dune.yml`` says.

    Attributes:
        queries: By the path of a ``.sql`` file beside it, what its header could say as well.
        external: Matviews and queries of others that `deps` may name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: dict[str, Header] = {}
    external: tuple[str, ...] = ()


def read_settings(folder: Path, files: Iterable[Path]) -> FolderSettings:
    """Read the ``dune.yml`` of a folder, if there is one.

    Args:
        folder: The folder.
        files: The ``.sql`` files in it.

    Returns:
        What it says.

    Raises:
        DuneCatalogError: It cannot be read, holds an unknown key or a wrong value, or names a file that is missing.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return FolderSettings()
    text = read_text(path)
    settings = read_yaml(text, FolderSettings, source=str(path), what=FILE_NAME)
    present = {file.relative_to(folder).as_posix() for file in files}
    for name in settings.queries:
        if name not in present:
            close = get_close_matches(name, sorted(present), n=1)
            raise DuneCatalogError(
                f"{path}, line {line_of(text, 'queries', name)}: there is no file {name} beside it.",
                hint=f"Did you mean {close[0]}?" if close else "Write its path as seen from dune.yml.",
            )
    return settings


def read_text(file: Path) -> str:
    """Read a file.

    Raises:
        DuneCatalogError: It is no readable UTF-8 text.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DuneCatalogError(f"{file} cannot be read: {error}.", hint="It must be readable UTF-8 text.") from error
