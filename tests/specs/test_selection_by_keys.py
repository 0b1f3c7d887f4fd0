"""Patterns match the keys that assets have, whatever a translator, a component or a prefix made of the default keys."""

import types

import dagster as dg
import pytest

from dagster_dune import (
    DagsterDuneTranslator,
    DuneCatalog,
    DuneCatalogError,
    DuneConfigurationError,
    DunePlanError,
    DuneResource,
    DuneRunConfig,
    MaterializedView,
    Query,
    build_dune_asset_selection,
    build_dune_assets,
    build_dune_definitions,
    build_dune_refresh_sensor,
    build_schedule_from_dune_selection,
)

CATALOG = DuneCatalog(
    materialized_views=[
        MaterializedView(name="dune.acme.result_volumes", tags=["dex"]),
        MaterializedView(name="dune.acme.result_users", deps=["dune.acme.result_volumes"]),
    ],
    queries=[Query(query_id=1, slug="top_pools", deps=["dune.acme.result_volumes"]), Query(query_id=2)],
)


class ByTeam(DagsterDuneTranslator):
    """Matviews are ``acme/volumes``, queries ``Reports/top_pools``."""

    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        if isinstance(obj, MaterializedView):
            return spec.replace_attributes(key=[obj.team, obj.sql_name.split(".")[-1].removeprefix("result_")])
        return spec.replace_attributes(key=["Reports", obj.slug or "other"]) if isinstance(obj, Query) else spec


class Swapped(DagsterDuneTranslator):
    """Each of the two matviews has the default key of the other."""

    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        if not isinstance(obj, MaterializedView):
            return spec
        other = "volumes" if obj.sql_name.endswith("users") else "users"
        return spec.replace_attributes(key=["dune", "acme", f"result_{other}"])


class OfOnePart(DagsterDuneTranslator):
    """All keys have one part: ``my_volumes``, ``my_top_pools_1``."""

    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        return spec.replace_attributes(key=f"my_{spec.key.path[-1].removeprefix('result_')}")


ASSETS = build_dune_assets(CATALOG, translator=ByTeam())


def texts(keys):
    return {key.to_user_string() for key in keys}


def made(**options):
    return texts(build_dune_assets(CATALOG, translator=ByTeam(), **options).keys)


@pytest.mark.parametrize(
    ("select", "exclude", "keys"),
    [
        ("acme/volumes", (), {"acme/volumes"}),
        ("ACME/Volumes", (), {"acme/volumes"}),
        ("reports/*", (), {"Reports/top_pools", "Reports/other"}),
        ("acme/*", "acme/users", {"acme/volumes"}),
        (["Reports/other", "tag:dex"], (), {"Reports/other", "acme/volumes"}),
        (["acme/?sers", "query_1"], (), {"acme/users", "Reports/top_pools"}),
    ],
)
def test_keys_are_those_that_assets_have(select, exclude, keys):
    assert made(select=select, exclude=exclude) == keys
    assert texts(build_dune_asset_selection([ASSETS], select, exclude).resolve([ASSETS])) == keys
    schedule = build_schedule_from_dune_selection([ASSETS], "job", "0 6 * * *", select=select, exclude=exclude)
    assert texts(schedule.job.selection.resolve([ASSETS])) == keys
    sensor = build_dune_refresh_sensor([ASSETS], select=select, exclude=exclude)
    assert f"Watches {len(keys)} asset" in sensor.description
    dune = DuneResource(api_key="unused")
    defs = build_dune_definitions(CATALOG, resource=dune, translator=ByTeam(), select=select, exclude=exclude)
    assert texts(defs.resolve_asset_graph().materializable_asset_keys) == keys


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("dune/acme/result_volumes", "other asset keys: dune/acme/result_volumes is acme/volumes."),
        (
            "dune/acme/*",
            "other asset keys: dune/acme/result_users is acme/users, dune/acme/result_volumes is acme/volumes.",
        ),
        ("dune/top_pools_1", "other asset keys: dune/top_pools_1 is Reports/top_pools."),
        ("acme/volume", "Close matches: acme/volumes, acme/users."),
        ("nothing/like/it/at/all", "Write a name in SQL, an asset key"),
    ],
)
def test_a_default_key_that_no_asset_has_matches_nothing_and_the_key_is_told(pattern, hint, caplog):
    for refused in (
        lambda: made(select=pattern),
        lambda: build_dune_asset_selection([ASSETS], pattern),
        lambda: build_schedule_from_dune_selection([ASSETS], "job", "0 6 * * *", select=pattern),
        lambda: build_dune_refresh_sensor([ASSETS], select=pattern),
    ):
        with pytest.raises(DuneCatalogError, match="matches nothing") as caught:
            refused()
        assert hint in caught.value.hint
        assert "not known" not in caught.value.hint
    assert len(made(exclude=pattern)) == 4
    assert hint in caplog.text


def test_a_default_key_is_of_the_asset_that_has_it_now():
    swapped = build_dune_assets(CATALOG, translator=Swapped(), select="dune/acme/result_users")
    assert [spec.metadata["dagster-dune/name"] for spec in swapped.specs] == ["dune.acme.result_volumes"]
    both = build_dune_assets(CATALOG, translator=Swapped(), name="both")
    (key,) = build_dune_asset_selection([both], "dune/acme/result_users").resolve([both])
    assert both.metadata_by_key[key]["dagster-dune/name"] == "dune.acme.result_volumes"
    (key,) = build_dune_asset_selection([both], "result_users").resolve([both])  # a name stays that of its object
    assert both.metadata_by_key[key]["dagster-dune/name"] == "dune.acme.result_users"


def test_keys_of_one_part_are_matched_as_names_are():
    assets = build_dune_assets(CATALOG, translator=OfOnePart(), select=["my_v*", "my_top_pools_1"])
    assert texts(assets.keys) == {"my_volumes", "my_top_pools_1"}
    assert texts(build_dune_asset_selection([assets], "MY_VOLUMES").resolve([assets])) == {"my_volumes"}
    with pytest.raises(DuneCatalogError, match="Close matches: my_volumes"):
        build_dune_asset_selection([assets], "my_volume")


def test_a_name_in_sql_is_of_its_object_alone_whatever_keys_are_called():
    class Misleading(DagsterDuneTranslator):
        def get_asset_spec(self, obj):
            spec = super().get_asset_spec(obj)
            return spec.replace_attributes(key="query_1") if getattr(obj, "tags", ()) else spec

    assets = build_dune_assets(CATALOG, translator=Misleading())
    assert texts(build_dune_asset_selection([assets], "query_1").resolve([assets])) == {"dune/top_pools_1"}


def test_a_translator_is_asked_for_the_selected_objects_alone_where_keys_do_not_matter():
    asked = set()

    class Asked(DagsterDuneTranslator):
        def get_asset_spec(self, obj):
            asked.add(getattr(obj, "sql_name", None))
            return super().get_asset_spec(obj)

    for select in (None, "*"):
        assert len(build_dune_assets(CATALOG, translator=Asked(), select=select).keys) == 4
    asked.clear()
    assert len(build_dune_assets(CATALOG, translator=Asked(), select=["tag:dex", "query_2"]).keys) == 2
    assert asked == {"dune.acme.result_volumes", "query_2"}


def test_a_translator_without_a_spec_is_told_where_a_key_is_looked_up():
    class Forgetful(DagsterDuneTranslator):
        def get_asset_spec(self, obj):
            return super().get_asset_spec(obj) if obj.tags else None

    with pytest.raises(DuneConfigurationError, match="Forgetful returned None for"):
        build_dune_assets(CATALOG, translator=Forgetful(), select="dune/acme/*")


def test_two_definitions_of_one_catalog_have_the_keys_of_their_own_translators():
    first = build_dune_assets(CATALOG, name="first", translator=ByTeam(), select="kind:view")
    second = build_dune_assets(CATALOG, name="second", select="kind:query")
    selection = build_dune_asset_selection([first, second], ["acme/users", "dune/query_2"])
    assert texts(selection.resolve([first, second])) == {"acme/users", "dune/query_2"}


def test_keys_with_the_prefix_of_a_module_are_known():
    module = types.ModuleType("prefixed")
    module.assets = build_dune_assets(CATALOG)
    (prefixed,) = dg.load_assets_from_modules([module], key_prefix="mine")
    selection = build_dune_asset_selection([prefixed], "mine/dune/acme/*", "mine/dune/acme/result_users")
    assert texts(selection.resolve([prefixed])) == {"mine/dune/acme/result_volumes"}
    with pytest.raises(DuneCatalogError, match="dune/query_2 is mine/dune/query_2"):
        build_schedule_from_dune_selection([prefixed], "job", "0 6 * * *", select="dune/query_2")


def test_mapped_specs_keep_keys_that_are_known():
    mapped = ASSETS.map_asset_specs(lambda spec: spec.replace_attributes(group_name="mine"))
    assert texts(build_dune_asset_selection([mapped], "acme/users").resolve([mapped])) == {"acme/users"}


def test_a_run_is_configured_by_the_keys_that_assets_have():
    def schedule(key):
        config = DuneRunConfig(asset_performance={key: "large"})
        return build_schedule_from_dune_selection([ASSETS], "job", "0 6 * * *", select="acme/*", config=config)

    assert schedule("acme/users").job.config is not None
    with pytest.raises(
        DunePlanError, match=r"names 'dune/acme/result_users' in asset_performance.* Did you mean acme/"
    ):
        schedule("dune/acme/result_users")
