"""Which component of a project shows which asset, so that no two of them show the same."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Set
from typing import Any, TypeVar

import dagster as dg
from dagster.components.core.component_tree import TestComponentTree

from dagster_dune.errors import DuneCatalogError
from dagster_dune.metadata import NAME

_owners: deque[tuple[object, dict[dg.AssetKey, str]]] = deque(maxlen=4)
"""By project, as one load of it, the component of each asset. Older loads are forgotten."""


ComponentT = TypeVar("ComponentT", bound=dg.Component)


def siblings(context: dg.ComponentLoadContext, kind: type[ComponentT]) -> list[ComponentT]:
    """Return the components of a kind in the project; none where one is built by itself, in a script or a test."""
    tree = context.component_tree
    return [] if isinstance(tree, TestComponentTree) else tree.get_all_components(kind)


def made_in_python(context: dg.ComponentLoadContext) -> frozenset[dg.AssetKey]:
    """Return the assets of the project's Python files, all of which Dagster has imported before it builds a component.

    What a function makes that is called later, as one with ``@dg.definitions``, is not seen.
    """
    if isinstance(context.component_tree, TestComponentTree):
        return frozenset()
    name = context.component_tree.defs_module_name
    # Copies, since another thread may import or define something meanwhile.
    modules = [module for key, module in sys.modules.copy().items() if key == name or key.startswith(f"{name}.")]
    values = [value for module in modules if module is not None for value in vars(module).copy().values()]
    return frozenset(key for value in values for key in _keys_of(value))


def _keys_of(value: Any) -> Iterator[dg.AssetKey]:
    if isinstance(value, dg.AssetsDefinition):
        yield from value.keys
    elif isinstance(value, dg.AssetSpec):
        yield value.key
    elif type(value) in (list, tuple):  # asset keys and other values of Dagster's are tuples that refuse a loop
        for item in value:
            yield from _keys_of(item)
    elif isinstance(value, dg.Definitions):
        for asset in value.assets or ():
            yield from _keys_of(asset)


def without_assets_of_others(
    defs: dg.Definitions,
    project: object,
    component: str,
    *,
    elsewhere: Set[dg.AssetKey] = frozenset(),
    names: Set[str] = frozenset(),
) -> dg.Definitions:
    """Leave out the external assets that another component of the project, or a Python file of it, shows already.

    Dagster notes on each asset which component it came from, so that two components that read one table describe two
    different assets of one key, which it refuses.

    Args:
        defs: The definitions of a component.
        project: What all components of one load of the project have in common.
        component: The component's name.
        elsewhere: The assets of the project's Python files.
        names: What the other components make, by its names in SQL.

    Returns:
        The definitions with what this component is the first to show.

    Raises:
        DuneCatalogError: An asset that this component makes is shown by another one already.
    """
    owners = _owners_in(project)
    kept: list[dg.AssetsDefinition | dg.AssetSpec] = []
    for asset in defs.assets or ():
        if isinstance(asset, dg.AssetsDefinition):
            for key in asset.keys:
                _check(key, owners.setdefault(key, component), component)
            kept.append(asset)
        elif (
            isinstance(asset, dg.AssetSpec)
            and asset.key not in elsewhere
            and asset.metadata.get(NAME) not in names
            and owners.setdefault(asset.key, component) == component
        ):
            kept.append(asset)
    return dg.Definitions(assets=kept, resources=defs.resources)


def _owners_in(project: object) -> dict[dg.AssetKey, str]:
    for known, owners in _owners:
        if known is project:
            return owners
    _owners.append((project, {}))
    return _owners[-1][1]


def _check(key: dg.AssetKey, owner: str, component: str) -> None:
    if owner != component:
        raise DuneCatalogError(
            f"The asset {key.to_user_string()} of the component {component!r} is one of the component {owner!r} too.",
            hint=f"If {owner!r} only reads it, give that its name in SQL as upstream_exclude.",
        )
