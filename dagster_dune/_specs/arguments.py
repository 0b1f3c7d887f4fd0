"""Checks of what users give to the functions of the root, which Python would take, or refuse from far inside."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import dagster as dg

from dagster_dune._formatting import with_article
from dagster_dune.catalog.catalog import DuneCatalog
from dagster_dune.errors import DuneConfigurationError


def known_settings(cls: type[dg.Config], given: Any) -> Any:
    """Check, before all else, that a class has the settings it is given: Dagster's drop what they do not know.

    Args:
        cls: The class; one that sets ``extra`` in its `model_config` decides for itself.
        given: The arguments by name.

    Returns:
        The arguments as they are.

    Raises:
        DuneConfigurationError: There is no such setting.
    """
    for name in given if isinstance(given, Mapping) and "extra" not in cls.model_config else ():
        if name not in cls.model_fields:
            close = get_close_matches(name, cls.model_fields, n=1)
            raise DuneConfigurationError(
                f"{cls.__name__} has no setting {name!r}.",
                hint=f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(sorted(cls.model_fields))}.",
            )
    return given


def check_choice(name: str, given: object, choices: Collection[str]) -> None:
    """Check that an argument is one of the words that it may be.

    Raises:
        DuneConfigurationError: It is none of them.
    """
    if given not in choices:
        raise DuneConfigurationError(f"{name}={given!r} is none of {', '.join(choices)}.")


def check_catalog(catalog: object) -> None:
    """Check that a catalog was read, and is not the path of one.

    Raises:
        DuneConfigurationError: It is something else.
    """
    if not isinstance(catalog, DuneCatalog):
        raise DuneConfigurationError(
            f"catalog must be a DuneCatalog, not {_shown(catalog)}.",
            hint="Read it first: DuneCatalog.from_directory(folder) or DuneCatalog.from_file(file).",
        )


def check_instance(name: str, given: object, kind: type) -> None:
    """Check that an argument is an object of a class, if it is given at all.

    Raises:
        DuneConfigurationError: It is something else, such as the class itself.
    """
    if given is not None and not isinstance(given, kind):
        raise DuneConfigurationError(
            f"{name} must be {with_article(kind.__name__)}, not {_shown(given)}.",
            hint=f"Write {given.__name__}()." if isinstance(given, type) and issubclass(given, kind) else "",
        )


def check_members(name: str, given: Iterable[object], kind: type) -> None:
    """Check that a list holds objects of a class.

    Raises:
        DuneConfigurationError: One is something else.
    """
    for one in given:
        if not isinstance(one, kind):
            raise DuneConfigurationError(f"{name} must be a list of {kind.__name__}, and holds {_shown(one)}.")


def check_definitions(assets: object) -> None:
    """Check that asset definitions come as a list.

    Raises:
        DuneConfigurationError: It is one of them alone, or holds something else.
    """
    if isinstance(assets, dg.AssetsDefinition):
        raise DuneConfigurationError(
            "assets must be a list of asset definitions, not one.", hint="Write [...] around it."
        )
    others = [one for one in assets if not isinstance(one, dg.AssetsDefinition)] if isinstance(assets, Iterable) else []
    if others or not isinstance(assets, Iterable):
        holds = f", and holds {_shown(others[0])}" if others else f", not {_shown(assets)}"
        raise DuneConfigurationError(
            f"assets must be a list of asset definitions{holds}.", hint="Give what build_dune_assets returns."
        )


def check_each(function: str, given: Iterable[object], kind: type) -> None:
    """Check what a function takes as arguments of their own, of which users may give it a list.

    Raises:
        DuneConfigurationError: One is something else.
    """
    for one in given:
        if not isinstance(one, kind):
            raise DuneConfigurationError(
                f"An argument of {function} must be of the type {kind.__name__}, not {_shown(one)}.",
                hint=f"Give each by itself: {function}(*those)." if isinstance(one, list | tuple) else "",
            )


def _shown(given: object) -> str:
    if isinstance(given, type):
        return f"the class {given.__name__}"
    return repr(given) if isinstance(given, str) else with_article(type(given).__name__)
