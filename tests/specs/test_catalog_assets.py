"""What the catalog says of its objects, as Dagster shows it: versions, owners, groups, code, and what is upstream."""

import dagster as dg
import pytest

from dagster_dune import (
    DagsterDuneTranslator,
    DuneCatalog,
    DuneCatalogError,
    DuneConfigurationError,
    DuneResource,
    MaterializedView,
    Query,
    build_dune_assets,
    build_dune_definitions,
    build_dune_upstream_specs,
)

DAILY = "dune.acme.result_daily"
CATALOG = DuneCatalog(
    materialized_views=[MaterializedView(name=DAILY, query_id=1, sql="SELECT * FROM dex.trades", tags=["dex"])],
    queries=[
        Query(query_id=7, sql=f"SELECT * FROM {DAILY} JOIN dune.acme.dataset_rates ON true"),
        Query(query_id=8, sql="SELECT * FROM query_7 JOIN query_99 ON true JOIN dune.other.result_y ON true"),
    ],
)


def specs_of(assets):
    specs = assets.resolve_all_asset_specs() if isinstance(assets, dg.Definitions) else assets.specs
    return {spec.key.to_user_string(): spec for spec in specs}


def upstream(*definitions, **options):
    specs = build_dune_upstream_specs(*definitions, **options)
    return {spec.key.to_user_string(): spec for spec in specs}


def test_each_asset_has_a_code_version():
    versions = {key: spec.code_version for key, spec in specs_of(build_dune_assets(CATALOG)).items()}
    assert len(set(versions.values())) == 3
    assert None not in versions.values()


def test_unknown_sql_has_no_code_version():
    (spec,) = build_dune_assets(DuneCatalog(queries=[Query(query_id=1, deps=["dex.trades"])])).specs
    assert spec.code_version is None


def test_a_translator_has_the_last_word_on_the_code_version():
    class Versioned(DagsterDuneTranslator):
        def get_asset_spec(self, obj):
            return super().get_asset_spec(obj).replace_attributes(code_version="mine")

    assert {spec.code_version for spec in build_dune_assets(CATALOG, translator=Versioned()).specs} == {"mine"}


def test_dagster_sees_what_changed_in_a_view(dune, resource, instance):
    """A materialization carries the code version, so the next load of changed SQL can be told from it."""

    def catalog(number):
        return DuneCatalog(
            queries=[Query(query_id=1, sql=f"SELECT {number} AS n"), Query(query_id=2, sql="SELECT * FROM query_1")]
        )

    dune.load_query(1, "view", "SELECT 1 AS n")
    dune.load_query(2, "reader", "SELECT * FROM query_1")
    before, after = build_dune_assets(catalog(1)), build_dune_assets(catalog(2))
    dg.materialize([before], resources={"dune": resource}, instance=instance)
    key = dg.AssetKey(["dune", "query_2"])
    versions = instance.get_latest_materialization_code_versions([key])
    assert versions[key] == before.code_versions_by_key[key]
    assert versions[key] != after.code_versions_by_key[key]


def test_owners_and_groups_of_a_folder(tmp_path):
    (tmp_path / "dune.yml").write_text("queries: {x_4100001.sql: {group: dex, owners: [team:dex, ada@example.com]}}")
    (tmp_path / "x_4100001.sql").write_text("SELECT 1")
    (spec,) = build_dune_assets(DuneCatalog.from_directory(tmp_path)).specs
    assert spec.group_name == "dex"
    assert list(spec.owners) == ["team:dex", "ada@example.com"]


def test_the_code_of_an_asset_is_its_file(tmp_path):
    file = tmp_path / "x_4100001.sql"
    file.write_text("/* dune\ntags: [a]\n*/\nSELECT 1")
    (spec,) = build_dune_assets(DuneCatalog.from_directory(tmp_path)).specs
    (local,) = spec.metadata["dagster/code_references"].code_references
    assert (local.file_path, local.line_number) == (str(file), 4)
    assert spec.metadata["dagster-dune/query_url"].url == "https://dune.com/queries/4100001"


def test_the_sql_is_shown_beside_the_querys_own_words():
    catalog = DuneCatalog(
        materialized_views=[MaterializedView(name="dune.acme.result_x", description="All of it", sql="SELECT 1 AS n")],
        queries=[Query(query_id=1, sql=f"SELECT '{'x' * 20_000}' AS text"), Query(query_id=2)],
    )
    descriptions = {spec.key.path[-1]: spec.description for spec in build_dune_assets(catalog).specs}
    assert descriptions["result_x"] == "All of it\n\n#### SQL\n```sql\nSELECT 1 AS n\n```"
    assert descriptions["query_1"].endswith("x\n-- and 10,017 characters more\n```")
    assert descriptions["query_2"] is None


TAGS = {
    "dex": "dex",
    "Qualité": "Qualite",
    "цена": "цена".encode("idna").decode(),
    "日次": "日次".encode("idna").decode(),
    "[prod]": "prod",
    'a "b"': "a_b",
    "  two words  ": "two_words",
    "a/b:c": "a_b_c",
    "x" * 100: "x" * 63,
    "ы" * 100: None,
    "🔥": "",
    "...": "",
}


@pytest.mark.parametrize(("tag", "shown"), TAGS.items(), ids=[f"{tag[:9]}" for tag in TAGS])
def test_tags_of_every_alphabet(tag, shown):
    catalog = DuneCatalog(queries=[Query(query_id=1, tags=[tag, "other"])])
    (spec,) = build_dune_assets(catalog).specs
    tags = [name for name in spec.tags if not name.startswith("dagster") and name != "other"]
    assert tags == ([shown] if shown else [] if shown == "" else tags)
    assert len(tags) == (shown != "")
    selected = build_dune_assets(catalog, select=[f"tag:{tag}"])
    assert len(list(selected.keys)) == 1


def test_titles_are_shown_of_queries_and_of_matviews(dune, client):
    dune.load_query(1, "Trades by day", "SELECT 1 AS a")
    dune.load_query(2, "Объём", "SELECT a FROM dune.acme.result_trades")
    dune.load_query(3, "Pairs", "SELECT 3 AS a", description="The best.")
    dune.load_materialized_view("dune.acme.result_trades", 1)
    dune.load_materialized_view("dune.acme.result_volume", 2)
    dune.load_materialized_view("dune.acme.result_pairs", 3)
    specs = build_dune_assets(DuneCatalog.from_api(client)).specs
    assert {spec.key.path[-1]: spec.description.split("\n")[0] for spec in specs} == {
        "result_trades": "Trades by day",
        "result_volume": "Объём",
        "result_pairs": "The best.",
    }


def test_loading_warns_of_nothing(tmp_path, recwarn):
    (tmp_path / "x_4100001.sql").write_text("SELECT 1")
    build_dune_assets(DuneCatalog.from_directory(tmp_path))
    assert [str(warning.message) for warning in recwarn] == []


def test_queries_without_id_are_named_and_no_assets(tmp_path, caplog):
    (tmp_path / "x_4100001.sql").write_text("SELECT 1")
    (tmp_path / "nameless.sql").write_text("SELECT 2")
    assert len(build_dune_assets(DuneCatalog.from_directory(tmp_path)).keys) == 1
    assert f"{tmp_path / 'nameless.sql'}: nothing says which query this is" in caplog.text


def test_upstream_tables_are_external_assets():
    specs = upstream(build_dune_assets(CATALOG))
    assert {key: spec.group_name for key, spec in specs.items()} == {
        "dune/dex/trades": "dune_tables",
        "dune/acme/dataset_rates": "dune_uploads",
        "dune/other/result_y": "dune_other_matviews",
        "dune/query_99": "dune_other_queries",
    }
    trades = specs["dune/dex/trades"]
    assert trades.metadata["dagster/table_name"] == "dex.trades"
    assert trades.kinds == {"dune", "table"}
    assert (trades.metadata["dagster/storage_kind"], trades.metadata["dagster/uri"]) == (
        "dune",
        "https://dune.com/data/dex.trades",
    )
    assert trades.description.startswith("A table that Dune maintains")
    assert {key: (spec.kinds - {"dune"}, list(spec.owners)) for key, spec in specs.items() if spec is not trades} == {
        "dune/acme/dataset_rates": ({"upload"}, ["team:acme"]),
        "dune/other/result_y": ({"view"}, ["team:other"]),
        "dune/query_99": ({"query"}, []),
    }
    assert all(f"`{spec.metadata['dagster-dune/name']}`" in spec.description for spec in specs.values())


def test_definitions_take_the_upstream_of_two_of_them():
    part = build_dune_assets(CATALOG, name="part", select="tag:dex")
    rest = build_dune_assets(CATALOG, name="rest", select="kind:query")
    specs = build_dune_upstream_specs(part, rest)
    graph = dg.Definitions(assets=[part, rest, *specs], resources={"dune": None}).resolve_asset_graph()
    assert {key.to_user_string() for key in graph.external_asset_keys} == {spec.key.to_user_string() for spec in specs}
    assert graph.get(dg.AssetKey(["dune", "dex", "trades"])).group_name == "dune_tables"


def test_an_object_that_was_not_selected_is_upstream():
    assert set(upstream(build_dune_assets(CATALOG, select=["7"]))) == {
        "dune/acme/result_daily",
        "dune/acme/dataset_rates",
    }


def test_what_is_excluded_is_the_rest_of_what_is_selected(caplog):
    part, rest = build_dune_assets(CATALOG, select="tag:dex"), build_dune_assets(CATALOG, exclude="tag:dex")
    assert (part.keys | rest.keys, part.keys & rest.keys) == (build_dune_assets(CATALOG).keys, set())
    assert len(build_dune_assets(CATALOG, select=["tag:dex", "7"], exclude=7).keys) == 1
    dune = DuneResource(api_key="emulator-key")
    defs = build_dune_definitions(CATALOG, resource=dune, exclude=["kind:query"])
    assert set(specs_of(defs)) == {"dune/acme/result_daily", "dune/dex/trades"}
    assert caplog.messages == []


def test_what_is_excluded_and_nowhere_is_told_and_all_excluded_is_an_error(caplog):
    assert len(build_dune_assets(CATALOG, exclude="tag:dx").keys) == 3
    (told,) = caplog.messages
    assert told.startswith("exclude: The pattern 'tag:dx' matches nothing")
    with pytest.raises(DuneCatalogError, match=r"no object that could become an asset\. Check it, select and exclude"):
        build_dune_assets(CATALOG, exclude="*")
    with pytest.raises(DuneConfigurationError, match="not by AssetKey"):
        build_dune_assets(CATALOG, exclude=dg.AssetKey("x"))


def test_upstream_assets_look_as_the_translator_says():
    class Grouped(DagsterDuneTranslator):
        def get_asset_spec(self, obj):
            return super().get_asset_spec(obj).replace_attributes(group_name="mine")

    assert {spec.group_name for spec in upstream(build_dune_assets(CATALOG), translator=Grouped()).values()} == {"mine"}


def test_upstream_of_a_foreign_definition():
    @dg.multi_asset(specs=[dg.AssetSpec("x")])
    def foreign():
        yield from ()

    with pytest.raises(DuneCatalogError, match="'foreign' does not say which Dune catalog"):
        build_dune_upstream_specs(foreign)
