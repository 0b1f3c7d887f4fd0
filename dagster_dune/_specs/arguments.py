"""Validates arguments of the public functions, for which Python would raise a late or obscure error, or none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import dagster as dg

from dagster_dune._formatting import with_article
from dagster_dune.catalog.catalog import DuneCatalog
from dagster_dune.errors import DuneConfigurationError


def known_settings(cls: type[dg.Config], given: Any) -> Any:
    """Check that a config class has all given settings, since Dagster's config classes ignore unknown ones.

    Args:
        cls: The class. A subclass that sets ``extra`` in its `model_config` is not checked.
        given: The arguments by name.

    Returns:
        The arguments, unchanged.

    Raises:
        DuneConfigurationError: A setting does not exist.
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
    """Check that an argument is one of several choices.

    Raises:
        DuneConfigurationError: It is not.
    """
    if given not in choices:
        raise DuneConfigurationError(f"{name}={given!r} is none of {', '.join(choices)}.")


def check_catalog(catalog: object) -> None:
    """Check that an argument is a catalog, and not, for example, the path of one.

    Raises:
        DuneConfigurationError: It is not.
    """
    if not isinstance(catalog, DuneCatalog):
        raise DuneConfigurationError(
            f"catalog must be a DuneCatalog, not {_described(catalog)}.",
            hint="Read it first: DuneCatalog.from_directory(folder) or DuneCatalog.from_file(file).",
        )


def check_instance(name: str, given: object, kind: type) -> None:
    """Check that an argument is None or an instance of a class.

    Raises:
        DuneConfigurationError: It is not, or it is the class itself.
    """
    if given is not None and not isinstance(given, kind):
        raise DuneConfigurationError(
            f"{name} must be {with_article(kind.__name__)}, not {_described(given)}.",
            hint=f"Write {given.__name__}()." if isinstance(given, type) and issubclass(given, kind) else "",
        )


def check_members(name: str, given: Iterable[object], kind: type) -> None:
    """Check that all members of a list are instances of a class.

    Raises:
        DuneConfigurationError: One is not.
    """
    for one in given:
        if not isinstance(one, kind):
            raise DuneConfigurationError(f"{name} must be a list of {kind.__name__}, and holds {_described(one)}.")


def check_definitions(assets: object) -> None:
    """Check that an argument is a list of asset definitions.

    Raises:
        DuneConfigurationError: It is not, or it is a single definition.
    """
    if isinstance(assets, dg.AssetsDefinition):
        raise DuneConfigurationError(
            "assets must be a list of asset definitions, not one.", hint="Write [...] around it."
        )
    others = [one for one in assets if not isinstance(one, dg.AssetsDefinition)] if isinstance(assets, Iterable) else []
    if others or not isinstance(assets, Iterable):
        holds = f", and holds {_described(others[0])}" if others else f", not {_described(assets)}"
        raise DuneConfigurationError(
            f"assets must be a list of asset definitions{holds}.", hint="Give what build_dune_assets returns."
        )


def check_each(function: str, given: Iterable[object], kind: type) -> None:
    """Check that all variadic arguments of a function are instances of a class, and not lists of these.

    Raises:
        DuneConfigurationError: One is not.
    """
    for one in given:
        if not isinstance(one, kind):
            raise DuneConfigurationError(
                f"An argument of {function} must be of the type {kind.__name__}, not {_described(one)}.",
                hint=f"Give each by itself: {function}(*those)." if isinstance(one, list | tuple) else "",
            )


def _described(given: object) -> str:
    if isinstance(given, type):
        return f"the class {given.__name__}"
    return repr(given) if isinstance(given, str) else with_article(type(given).__name__)
