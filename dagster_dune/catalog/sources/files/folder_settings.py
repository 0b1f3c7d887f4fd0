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

import codecs
import logging
import os
import re
import stat
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from dagster_dune._formatting import counted
from dagster_dune.catalog.names import Reference
from dagster_dune.catalog.settings.wrong_values import MAX_TEXT_SHOWN
from dagster_dune.catalog.sources.file_ids import IdPlace
from dagster_dune.catalog.sources.files.header import Header
from dagster_dune.catalog.sources.files.yaml_text import YamlText
from dagster_dune.catalog.sources.left_out import LeftOut
from dagster_dune.errors import DuneCatalogError

logger = logging.getLogger(__name__)

FILE_NAME = "dune.yml"
LIKE_FILE_NAME = (FILE_NAME, "dune.yaml")
MAX_BYTES = 2_000_000
_HIDDEN = re.compile(r"(^|/)\.(?![./])")
UNREADABLE = "Let this process read it, remove it, or list it in exclude."


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


@dataclass
class Settings:
    """The ``.sql`` files of a folder, and the settings of all its ``dune.yml`` files.

    Attributes:
        files: The ``.sql`` files that are read.
        queries: The settings of each ``.sql`` file, in the form of a header.
        external: Matviews and queries of other teams that `deps` may name.
        ids: The places of ids, by ``.sql`` file.
    """

    files: list[Path] = field(default_factory=list)
    queries: dict[Path, Header] = field(default_factory=dict)
    external: dict[str, None] = field(default_factory=dict)
    ids: dict[Path, tuple[IdPlace, ...]] = field(default_factory=dict)


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
        DuneCatalogError: There is no ``.sql`` file, or the folder's own ``dune.yml`` cannot be read, or contains an
            unknown key or a wrong value.
    """
    visible = visible_files(folder, left_out)
    _warn_of_unmatched(exclude, folder, visible, lambda _: shown(folder))
    present = [file for file in visible if not is_excluded(file, folder, exclude)]
    settings = Settings([file for file in present if file.suffix.lower() == ".sql"])
    if not settings.files:
        raise DuneCatalogError(
            f"The folder {shown(folder)} holds no .sql file{' that is not excluded' if exclude else ''}.",
            hint="Save each query as <name>_<id>.sql.",
        )
    for path in present:
        if path.name != FILE_NAME and path.name.lower() in LIKE_FILE_NAME:
            left_out.add(f"{shown(path)} is not read: settings stand in {FILE_NAME}. Rename it, or exclude it.")
    for path in sorted((file for file in present if file.name == FILE_NAME), key=lambda path: (len(path.parts), path)):
        below = [file for file in settings.files if path.parent in file.parents]
        if path.parent != folder and not below:
            continue
        try:
            text = YamlText(read_text(path), source=shown(path), what=FILE_NAME, entries="queries")
            own = text.read(FolderSettings)
        except DuneCatalogError as error:
            if path.parent == folder:
                raise
            left_out.add(
                f"{error} "
                f"{counted(len(below), '.sql file beside and below it is', '.sql files beside and below it are')} "
                "left out."
            )
            settings.files = _without(settings.files, below)
            continue
        _warn_of_unmatched(own.exclude, path.parent, visible, partial(_item_of_exclude, path, text))
        excluded = {file for file in below if is_excluded(file, path.parent, own.exclude)}
        settings.files = _without(settings.files, excluded)
        for index, name in enumerate(own.external):
            with left_out.catching(f"{shown(path)}, line {text.line_of_item('external', index)}"):
                settings.external[Reference.parse(name).name] = None
        settings.ids |= dict.fromkeys(below, own.ids) if own.ids else {}
        _read_queries(path, text, own, below, excluded, settings, left_out)
    return settings


def _without(files: Sequence[Path], removed: Collection[Path]) -> list[Path]:
    """Return the files without the removed ones."""
    removed = set(removed)  # both may be thousands
    return [file for file in files if file not in removed]


def _read_queries(
    path: Path,
    text: YamlText,
    own: FolderSettings,
    below: Sequence[Path],
    excluded: Collection[Path],
    settings: Settings,
    left_out: LeftOut,
) -> None:
    present = {file.relative_to(path.parent).as_posix(): file for file in below}
    for name in own.queries:
        file = present.get(name)
        if file is None:
            close = get_close_matches(name[:MAX_TEXT_SHOWN], sorted(present), n=1)
            hint = f"Did you mean {close[0]}?" if close else "Write its path as seen from dune.yml."
            left_out.add(
                f"{shown(path)}, line {text.line_of('queries', name)}: there is no file {name} beside it. {hint}"
            )
        elif file not in excluded:
            try:
                header = text.read(Header, "queries", name)
            except DuneCatalogError as error:
                left_out.add(f"{error} So {shown(file)} is left out.")
                settings.files.remove(file)
            else:
                settings.queries[file] = header.merged_over(settings.queries.get(file, Header()))


def _item_of_exclude(path: Path, text: YamlText, index: int) -> str:
    return f"{shown(path)}, line {text.line_of_item('exclude', index)}"


def _warn_of_unmatched(
    exclude: Sequence[str], folder: Path, visible: Sequence[Path], location_of: Callable[[int], str]
) -> None:
    """Warn of patterns that match nothing, except patterns of hidden files, which are not read anyway."""
    below = [file for file in visible if folder in file.parents] if exclude else []
    for index, pattern in enumerate(exclude):
        if _HIDDEN.search(pattern.strip()) or any(is_excluded(file, folder, [pattern]) for file in below):
            continue
        paths = [file.relative_to(folder) for file in below]
        names = {name for path in paths for name in (path.as_posix(), path.parent.as_posix(), *path.parts)}
        close = get_close_matches(pattern[:MAX_TEXT_SHOWN], sorted(names), n=1)
        hint = f"Did you mean {close[0]}?" if close else "Write names, paths as seen from there, or globs."
        logger.warning("%s: %r of exclude matches no file or folder. %s", location_of(index), pattern, hint)


def is_excluded(file: Path, folder: Path, patterns: Sequence[str]) -> bool:
    """Whether a pattern matches a file, or a folder that contains it.

    Examples:
        >>> file = Path("queries/dex/_deprecated/old.sql")
        >>> [is_excluded(file, Path("queries"), [pattern]) for pattern in ("_deprecated", "dex/*/old.sql", "old")]
        [True, True, False]
    """
    path = PurePosixPath(file.relative_to(folder).as_posix())
    candidates = [path, *path.parents[:-1]]
    for pattern in patterns:
        glob = pattern.strip().removeprefix("./").rstrip("/")
        if any(fnmatchcase(str(part), glob) or fnmatchcase(part.name, glob) for part in candidates):
            return True
    return False


def visible_files(folder: Path, left_out: LeftOut) -> list[Path]:
    """Find the files of a folder, and of the folders in it, except hidden ones and those in hidden folders.

    Symbolic links to folders are followed. Each folder is read only once, so that circular links do no harm.
    """
    found = []
    top = Path(os.path.realpath(folder))
    walked = {top}

    def unreadable(error: OSError) -> None:
        name = shown(Path(error.filename))
        left_out.add(f"The folder {name} cannot be read: {error.strerror}. Let this process read it, or remove it.")

    def is_new(path: Path) -> bool:
        real = Path(os.path.realpath(path))
        is_link = os.path.islink(path)  # noqa: PTH114  (Path.is_symlink raises where a path is too long)
        is_reached_otherwise = is_link and (real in top.parents or top in real.parents)
        if is_reached_otherwise or real in walked:
            return False
        walked.add(real)
        return True

    for parent, folders, files in os.walk(folder, onerror=unreadable, followlinks=True):
        folders[:] = [name for name in sorted(folders) if not name.startswith(".") and is_new(Path(parent, name))]
        found += [Path(parent, name) for name in files if not name.startswith(".")]
    return sorted(found)


def shown(path: Path) -> str:
    """Return a path as a text for messages, even if its name is not valid UTF-8."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def read_text(file: Path) -> str:
    """Read a file.

    Raises:
        DuneCatalogError: It cannot be read, is too large, or is not UTF-8 text.
    """
    name = shown(file)
    if name != str(file):
        raise DuneCatalogError(f"{name} cannot be read: its name is no UTF-8 text.", hint="Rename it.")
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DuneCatalogError(
                f"{name} cannot be read: it is no regular file.", hint="Remove it, or list it in exclude."
            )
        if status.st_size > MAX_BYTES:
            raise DuneCatalogError(
                f"{name} is too large: {status.st_size:,} bytes.", hint=f"The most is {MAX_BYTES:,} bytes."
            )
        content = file.read_bytes()
    except OSError as error:
        raise DuneCatalogError(f"{name} cannot be read: {error.strerror or error}.", hint=UNREADABLE) from error
    try:
        text = content.decode("utf-8").lstrip("\ufeff")  # concatenated files have several
    except UnicodeDecodeError as error:
        encoding = "UTF-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "another encoding"
        line = content.count(b"\n", 0, error.start) + 1
        raise DuneCatalogError(
            f"{name}, line {line}: this is no UTF-8 text; the file looks like {encoding}.", hint="Save it as UTF-8."
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DuneCatalogError(
            f"{name}, line {line}: there are null characters, so the file is no text.", hint="Save it as UTF-8."
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")
