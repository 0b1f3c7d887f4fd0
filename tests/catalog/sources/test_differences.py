"""Files whose SQL is not what Dune runs."""

import dagster as dg
import pytest
from typer.testing import CliRunner

from dagster_dune import DuneResource, build_dune_assets
from dagster_dune.catalog.catalog import DuneCatalog, Query
from dagster_dune.catalog.document import write_document
from dagster_dune.cli import app

ON_DUNE = "SELECT 1 AS n"
NAME = "dune/count_4100001"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "count_4100001.sql").write_text("-- edited\nSELECT 2 AS n")
    (tmp_path / "queries" / "same_4100002.sql").write_text("select 3 as n -- the same")
    return tmp_path / "queries"


@pytest.fixture
def account(dune):
    dune.load_query(4100001, "Count", ON_DUNE)
    dune.load_query(4100002, "Same", "SELECT 3 AS n;")
    return dune


def spec_of(catalog, key=NAME):
    return next(spec for spec in build_dune_assets(catalog).specs if spec.key.to_user_string() == key)


def version_of(sql):
    return spec_of(DuneCatalog(queries=[Query(query_id=4100001, slug="count", sql=sql)])).code_version


def run(catalog, account, instance):
    assets = build_dune_assets(catalog)
    resource = DuneResource(api_key=account.api_key, base_url=account.url, poll_interval=0.05, max_poll_interval=0.1)
    selection = dg.AssetSelection.assets(NAME)
    assert dg.materialize([assets], selection=selection, resources={"dune": resource}, instance=instance).success
    event = instance.get_latest_materialization_event(dg.AssetKey(NAME.split("/")))
    return event.asset_materialization


def test_the_event_is_of_the_sql_that_ran(account, client, folder, caplog):
    catalog = DuneCatalog.merge(DuneCatalog.from_directory(folder), DuneCatalog.from_api(client))
    (warning,) = caplog.messages
    assert warning.startswith(
        "query_4100001 runs as it is saved on Dune (https://dune.com/queries/4100001), and not as"
    )
    assert str(folder / "count_4100001.sql") in warning
    assert spec_of(catalog).code_version == version_of(ON_DUNE)
    with dg.DagsterInstance.ephemeral() as instance:
        materialization = run(catalog, account, instance)
    assert materialization.tags["dagster/code_version"] == version_of(ON_DUNE)
    for metadata in (materialization.metadata, spec_of(catalog).metadata):
        text = metadata["dagster-dune/differs"].value
        assert "https://dune.com/queries/4100001" in text
        assert "-SELECT 1 AS n" in text
        assert "+SELECT 2 AS n" in text
        assert "dagster-dune/not_confirmed" not in metadata
    same = spec_of(catalog, "dune/same_4100002").metadata.keys()
    assert not {"dagster-dune/differs", "dagster-dune/not_confirmed"} & same


def test_a_folder_alone_claims_nothing(account, folder):
    catalog = DuneCatalog.from_directory(folder)
    assert spec_of(catalog).code_version == version_of("SELECT 2 AS n")  # of the file, as ever: never marked itself
    with dg.DagsterInstance.ephemeral() as instance:
        metadata = run(catalog, account, instance).metadata
    assert "Dune runs what is saved there" in metadata["dagster-dune/not_confirmed"].value
    assert "dagster-dune/differs" not in metadata


def test_how_lines_end_is_no_difference(tmp_path):
    (tmp_path / "lines_4100001.sql").write_bytes(b"SELECT 'a\r\nb' AS n,\r\n1 AS m")
    folder = DuneCatalog.from_directory(tmp_path)
    for on_dune in ("SELECT 'a\r\nb' AS n,\r\n1 AS m", "SELECT 'a\nb' AS n, 1 AS m"):
        assert (
            DuneCatalog.merge(folder, DuneCatalog(queries=[Query(query_id=4100001, sql=on_dune)])).queries[0].differs
            is None
        )
    other = DuneCatalog(queries=[Query(query_id=4100001, sql="SELECT 'a\r\nB' AS n, 1 AS m")])
    assert DuneCatalog.merge(folder, other).queries[0].differs is not None


def test_documents_remember_it(account, client, folder, tmp_path):
    merged = DuneCatalog.merge(DuneCatalog.from_directory(folder), DuneCatalog.from_api(client))
    write_document(merged, tmp_path / "catalog.json")
    again = DuneCatalog.from_file(tmp_path / "catalog.json")
    assert again["query_4100001"].differs == merged["query_4100001"].differs
    assert again["query_4100001"].is_confirmed is True
    (folder / "count_4100001.sql").write_text(ON_DUNE)
    assert DuneCatalog.merge(DuneCatalog.from_directory(folder), again)["query_4100001"].differs is None


def test_the_command_lists_them(account, client, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("DUNE_API_KEY", account.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", account.url)
    write_document(DuneCatalog.from_api(client), tmp_path / "catalog.json")
    (folder / "new_4100003.sql").write_text("SELECT 4")

    def diff(*options):
        return CliRunner().invoke(app, ["catalog", "diff", str(folder), *options], catch_exceptions=False)

    for options in ([], ["--catalog", str(tmp_path / "catalog.json")]):
        result = diff(*options)
        assert result.exit_code == 1
        assert "query_4100001: " in result.stdout
        assert "+SELECT 2 AS n" in result.stdout
        assert "query_4100002" not in result.stdout
        assert "the account shows no SQL of them: query_4100003." in result.stdout
        assert "1 of 2 files differs from Dune." in result.stdout
    (folder / "count_4100001.sql").write_text(ON_DUNE)
    result = diff()
    assert (result.exit_code, "0 of 2 files differ from Dune." in result.stdout) == (0, True)


def test_a_strict_show_exits_with_1(folder):
    arguments = ["catalog", "show", str(folder)]
    assert CliRunner().invoke(app, [*arguments, "--strict"]).exit_code == 0
    (folder / "bad_4100009.sql").write_text("-- nothing")
    assert CliRunner().invoke(app, arguments).exit_code == 0
    result = CliRunner().invoke(app, [*arguments, "--strict"])
    assert result.exit_code == 1
    assert "bad_4100009.sql holds no SQL" in " ".join(result.stderr.split())
    assert CliRunner().invoke(app, [*arguments, "--strict", "--exclude", "bad_*"]).exit_code == 0
