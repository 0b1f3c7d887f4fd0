"""Finds the SQL names of files that cannot be read, so that no warning says that these names are unknown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dagster_dune.catalog.names import Reference, query_name
from dagster_dune.catalog.sources.file_ids import IdPlace, identify
from dagster_dune.catalog.sources.files.header import Header
from dagster_dune.catalog.sources.files.text_files import read_text
from dagster_dune.errors import DuneCatalogError

LINE = re.compile(r"^\s*(?P<key>matview|id)[ \t]*:[ \t]*(?P<value>[^\n#]+)", re.MULTILINE)


def probable_names(
    file: Path, settings: Header, allowed: Sequence[IdPlace], entry: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """Yield the SQL names that a file which cannot be read probably has.

    Args:
        file: The file, whose name and lines ``matview:`` and ``id:`` are searched.
        settings: What ``dune.yml`` says of it.
        allowed: Where any number in its name is an id.
        entry: The `matview` and the `id` of an entry of ``dune.yml`` that is wrong.
    """
    said = {key: value for key, value in (entry or {}).items() if isinstance(value, str)}
    header_id = settings.id
    with suppress(DuneCatalogError):
        said |= {line["key"]: line["value"].strip() for line in LINE.finditer(read_text(file).partition("*/")[0])}
    if matview := said.get("matview") or settings.matview:
        with suppress(DuneCatalogError):
            yield Reference.parse(matview.strip("\"'")).name
    with suppress(ValueError):
        header_id = int(said.get("id", ""))
    query_id = identify(file.stem, header_id, (), allowed).id
    if query_id:
        yield query_name(query_id)
