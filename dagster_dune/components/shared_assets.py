"""Ensures that only one component of a project defines each external asset."""

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
"""The component that defines each asset, for each of the latest loads of projects."""


ComponentT = TypeVar("ComponentT", bound=dg.Component)


def siblings(context: dg.ComponentLoadContext, kind: type[ComponentT]) -> list[ComponentT]:
    """Return the components of a class in the project; none if a component is built alone, in a script or a test."""
    tree = context.component_tree
    return [] if isinstance(tree, TestComponentTree) else tree.get_all_components(kind)


def python_asset_keys(context: dg.ComponentLoadContext) -> frozenset[dg.AssetKey]:
    """Return the keys of assets in the project's Python files, which Dagster imports before it builds any component.

    Assets that a function makes later, such as one with ``@dg.definitions``, are not found.
    """
    if isinstance(context.component_tree, TestComponentTree):
        return frozenset()
    name = context.component_tree.defs_module_name
    # Copies, since another thread may import or define something at the same time.
    modules = [module for key, module in sys.modules.copy().items() if key == name or key.startswith(f"{name}.")]
    values = [value for module in modules if module is not None for value in vars(module).copy().values()]
    return frozenset(key for value in values for key in _keys_of(value))


def _keys_of(value: Any) -> Iterator[dg.AssetKey]:
    if isinstance(value, dg.AssetsDefinition):
        yield from value.keys
    elif isinstance(value, dg.AssetSpec):
        yield value.key
    elif type(value) in (list, tuple):  # asset keys and other values of Dagster are tuples that cannot be iterated
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
    """Remove the external assets that another component or a Python file of the project already defines.

    Dagster records the component of each asset. So two components that read the same table would define two different
    assets with the same key, which Dagster refuses.

    Args:
        defs: The definitions of a component.
        project: An object that identifies this load of the project.
        component: The component's name.
        elsewhere: The keys of assets in the project's Python files.
        names: The SQL names of the other components' assets.

    Returns:
        The definitions without the external assets that are defined elsewhere.

    Raises:
        DuneCatalogError: Another component already defines an asset that this component materializes.
    """
    owners = _owners_in(project)
    remaining: list[dg.AssetsDefinition | dg.AssetSpec] = []
    for asset in defs.assets or ():
        if isinstance(asset, dg.AssetsDefinition):
            for key in asset.keys:
                _check(key, owners.setdefault(key, component), component)
            remaining.append(asset)
        elif (
            isinstance(asset, dg.AssetSpec)
            and asset.key not in elsewhere
            and asset.metadata.get(NAME) not in names
            and owners.setdefault(asset.key, component) == component
        ):
            remaining.append(asset)
    return dg.Definitions(assets=remaining, resources=defs.resources)


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
