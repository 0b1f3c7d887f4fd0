"""Resolves the names of assets and checks in a run's configuration, of which each node has several."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import TypeVar

from dagster_dune._formatting import abbreviated
from dagster_dune.errors import DunePlanError

SettingT = TypeVar("SettingT")


def sql_name(key: str, nodes: Mapping[str, str]) -> str | None:
    """Return the SQL name of a node in any of the forms that users may write; None if it is not one of the nodes.

    Args:
        key: What the user has written.
        nodes: The keys as users write them, by SQL name.

    Examples:
        >>> nodes = {"query_1": "dune/daily_1"}
        >>> [sql_name(key, nodes) for key in ("1", "query_1", "dune/daily_1", "daily")]
        ['query_1', 'query_1', 'query_1', None]
    """
    by_label = {label: name for name, label in nodes.items()}
    return next((name for name in (key, f"query_{key}") if name in nodes), by_label.get(key))


def settings_by_name(
    given: Mapping[str, Mapping[str, SettingT]], nodes: Mapping[str, str], field: str
) -> dict[str, dict[str, SettingT]]:
    """Return the settings of each node by its SQL name. A node that is named several times has those of each name.

    Args:
        given: The settings by the name that the user has written.
        nodes: The keys as users write them, by SQL name.
        field: The field of the configuration, for messages.

    Raises:
        DunePlanError: A name is none of `nodes`, or two names of one node give a setting two values.
    """
    found: dict[str, dict[str, SettingT]] = {}
    named_by: dict[tuple[str, str], str] = {}
    for key, settings in given.items():
        name = sql_name(key, nodes)
        if name is None:
            raise not_selected(key, nodes.values(), field)
        of_node = found.setdefault(name, {})
        for setting, value in settings.items():
            first = named_by.setdefault((name, setting), key)
            before = of_node.setdefault(setting, value)
            if str(before) != str(value):
                what = f" for {setting!r}" if setting else ""
                raise DunePlanError(
                    f"The run's configuration names one asset twice in {field}, as {first!r} and as {key!r}, with "
                    f"{before!r} and {value!r}{what}.",
                    hint="Leave one of them out.",
                )
    return found


def not_selected(key: str, names: Collection[str], field: str) -> DunePlanError:
    """Return the error of a name that is no selected node's.

    Args:
        key: What the user has written.
        names: The keys of what is selected.
        field: The field of the configuration.
    """
    labels = sorted(names)
    close = get_close_matches(key, labels, n=1)
    return DunePlanError(
        f"The run's configuration names {key!r} in {field}, which is not selected.",
        hint=f"Did you mean {close[0]}?" if close else f"Selected are {abbreviated(labels, most=20)}.",
    )
