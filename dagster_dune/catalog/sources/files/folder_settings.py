"""``dune.yml``: the settings of a folder's ``.sql`` files in one file.

For folders whose files cannot have headers, or whose settings belong in one place. Subfolders may have their own::

    queries:
      volumes.sql:
        id: 4711
        owners: [team:dex]
      staging/trades.sql:
        matview: dune.acme.result_trades
        performance: large
    external: [dune.other.result_labels]
    exclude: [_deprecated, "*.draft.sql"]
    ids: prefix
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from dagster_dune._formatting import abbreviated, counted
from dagster_dune.catalog.names import Reference
from dagster_dune.catalog.settings.wrong_values import MAX_TEXT_SHOWN
from dagster_dune.catalog.sources.file_ids import IdPlace
from dagster_dune.catalog.sources.files.exclusions import Exclusions, comparable
from dagster_dune.catalog.sources.files.header import Header
from dagster_dune.catalog.sources.files.probable_names import probable_names
from dagster_dune.catalog.sources.files.text_files import check_no_conflict, read_text, shown, visible_files
from dagster_dune.catalog.sources.files.yaml_text import YamlText
from dagster_dune.catalog.sources.left_out import LeftOut
from dagster_dune.errors import DuneCatalogError

FILE_NAME = "dune.yml"
LIKE_FILE_NAME = (FILE_NAME, "dune.yaml")
FILES_SHOWN = 10
MATVIEW = re.compile(r"\bmatview[\"']?\s*:\s*[\"']?(?P<name>[^\s,;\"'{}#]+)")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) and value else value or []


class FolderSettings(BaseModel):
    """The content of one ``dune.yml``.

    Attributes:
        queries: The settings of ``.sql`` files beside or below it, by path, with the same keys as a header.
        external: Matviews and queries of other teams that `deps` may name.
        exclude: Files and folders beside and below it that are not read: names, paths or globs of these.
        ids: The places of ids that look like other numbers: ``prefix``, ``suffix``, ``header``, or several of these.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: Annotated[dict[str, Any], BeforeValidator(lambda value: value or {})] = {}
    external: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    exclude: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    ids: Annotated[tuple[IdPlace, ...], BeforeValidator(_as_list)] = ()


@dataclass(frozen=True)
class SettingsEntry:
    """What one ``dune.yml`` says of a file.

    Attributes:
        place: The ``dune.yml``, for messages.
        text: Its text.
        name: The key of its entry of the file.
        header: The entry.
    """

    place: str
    text: YamlText
    name: str
    header: Header

    def location_of(self, keys: Sequence[str]) -> str:
        """Return the file and the line of a setting; empty if it is not set here."""
        if not self.header.sets(keys):
            return ""
        return f"{self.place}, line {self.text.line_of('queries', self.name, *keys)}"


@dataclass
class Settings:
    """The ``.sql`` files of a folder, and the settings of all its ``dune.yml`` files.

    Attributes:
        files: The ``.sql`` files that are read, in order.
        queries: The settings of each ``.sql`` file, in the form of a header.
        entries: The entries that these come from, by ``.sql`` file, the nearest ``dune.yml`` last.
        external: Matviews and queries of other teams that `deps` may name.
        ids: The places of ids, by ``.sql`` file.
    """

    files: dict[Path, None] = field(default_factory=dict)
    queries: dict[Path, Header] = field(default_factory=dict)
    entries: dict[Path, list[SettingsEntry]] = field(default_factory=dict)
    external: dict[str, None] = field(default_factory=dict)
    ids: dict[Path, tuple[IdPlace, ...]] = field(default_factory=dict)

    def leave_out(self, file: Path, said: Mapping[str, Any]) -> Iterator[str]:
        """Remove a file; yield the SQL names that it probably has.

        Args:
            file: The file.
            said: What its wrong entry says of it.
        """
        self.files.pop(file, None)
        header, allowed = self.queries.get(file, Header()), self.ids.get(file, ())
        yield from probable_names(file, header, allowed, {key: said[key] for key in ("id", "matview") if key in said})


def read_settings(folder: Path, exclude: Sequence[str], left_out: LeftOut) -> Settings:
    """Find the ``.sql`` files of a folder, and read its ``dune.yml`` and those of the folders in it.

    A ``dune.yml`` applies to the files beside it and below it. If several apply to a file, each key has the value of
    the nearest one. If a ``dune.yml`` of a subfolder cannot be read, the files that it applies to are left out.

    Args:
        folder: The folder.
        exclude: Files and folders that are not read: names, paths relative to the folder, or globs of these.
        left_out: Records what is left out.

    Returns:
        The files and their settings.

    Raises:
        DuneCatalogError: There is no ``.sql`` file, each is excluded, or the folder's own ``dune.yml`` cannot be read,
            or contains an unknown key or a wrong value.
    """
    visible = visible_files(folder, left_out)
    all_files = Exclusions(folder, visible)
    all_files.warn_of_unmatched(exclude, lambda _: shown(folder))
    without = all_files.matched(exclude)
    present = [file for file in visible if file not in without]
    settings = Settings(dict.fromkeys(file for file in present if file.suffix.lower() == ".sql"))
    _check_any(settings.files, folder, is_any_excluded=bool(exclude))
    for path in present:
        if path.name != FILE_NAME and path.name.lower() in LIKE_FILE_NAME:
            left_out.add(f"{shown(path)} is not read: settings stand in {FILE_NAME}. Rename it, or exclude it.")
    all_excluded = set[Path]()
    paths = sorted((file for file in present if file.name == FILE_NAME), key=lambda path: (len(path.parts), path))
    below_each = _files_below(visible, {path.parent for path in paths})
    for path in paths:
        near = below_each[path.parent]
        below = [file for file in near if file in settings.files]
        if path.parent != folder and not below:
            continue
        try:
            content = ""
            content = read_text(path)
            check_no_conflict(content, shown(path))
            text = YamlText(content, source=shown(path), what=FILE_NAME, entries="queries")
            own = text.read(FolderSettings)
        except DuneCatalogError as error:
            if path.parent == folder:
                raise
            names = [name for file in below for name in settings.leave_out(file, {})]
            left_out.add(
                f"{error} "
                f"{counted(len(below), '.sql file beside and below it is', '.sql files beside and below it are')} "
                f"left out: {abbreviated(map(shown, below), FILES_SHOWN)}.",
                [*names, *_matviews_named(content)],
            )
            continue
        here = Exclusions(path.parent, near)
        here.warn_of_unmatched(own.exclude, partial(_item_of_exclude, path, text))
        excluded = here.matched(own.exclude) if own.exclude else set()
        all_excluded |= excluded
        for file in excluded:
            settings.files.pop(file, None)
        for index, name in enumerate(own.external):
            with left_out.catching(f"{shown(path)}, line {text.line_of_item('external', index)}"):
                settings.external[Reference.parse_written(name).name] = None
        settings.ids |= dict.fromkeys(below, own.ids) if own.ids else {}
        _read_queries(path, text, own, below, excluded, settings, left_out)
    if all_excluded.issuperset(file for file in present if file.suffix.lower() == ".sql"):
        _check_any(settings.files, folder, is_any_excluded=True)
    return settings


def _check_any(files: Collection[Path], folder: Path, *, is_any_excluded: bool) -> None:
    if not files:
        raise DuneCatalogError(
            f"The folder {shown(folder)} holds no .sql file{' that is not excluded' if is_any_excluded else ''}.",
            hint="Save each query as <name>_<id>.sql.",
        )


def _files_below(files: Iterable[Path], folders: Collection[Path]) -> dict[Path, list[Path]]:
    """Return the files in and below each of some folders."""
    found: dict[Path, list[Path]] = {folder: [] for folder in folders}
    for file in files if folders else ():
        for parent in file.parents:
            if parent in found:
                found[parent].append(file)
    return found


def _matviews_named(text: str) -> Iterator[str]:
    """Yield the matviews that a ``dune.yml`` names which cannot be read."""
    for match in MATVIEW.finditer(text):
        with suppress(DuneCatalogError):
            yield Reference.parse(match["name"]).name


def _read_queries(
    path: Path,
    text: YamlText,
    own: FolderSettings,
    below: Sequence[Path],
    excluded: Collection[Path],
    settings: Settings,
    left_out: LeftOut,
) -> None:
    names = {file: file.relative_to(path.parent).as_posix() for file in below}
    present = {comparable(name): file for file, name in names.items()} | {name: file for file, name in names.items()}
    by_word = {known.casefold(): known for known in sorted(present)}
    for name, said in own.queries.items():
        file = present.get(name) or present.get(comparable(name).removeprefix("./"))
        if file is None:
            close = get_close_matches(name[:MAX_TEXT_SHOWN].casefold(), by_word, n=1)
            hint = f"Did you mean {by_word[close[0]]}?" if close else "Write its path as seen from dune.yml."
            left_out.add(
                f"{shown(path)}, line {text.line_of('queries', name)}: there is no file {name} beside it. {hint}"
            )
        elif file not in excluded:
            try:
                header = text.read(Header, "queries", name)
            except DuneCatalogError as error:
                probable = list(settings.leave_out(file, said if isinstance(said, Mapping) else {}))
                left_out.add(f"{error} So {shown(file)} is left out.", probable)
            else:
                settings.queries[file] = header.merged_over(settings.queries.get(file, Header()))
                settings.entries.setdefault(file, []).append(SettingsEntry(shown(path), text, name, header))


def _item_of_exclude(path: Path, text: YamlText, index: int) -> str:
    return f"{shown(path)}, line {text.line_of_item('exclude', index)}"
