"""Names of the own team that a catalog does not hold."""

import pytest

from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.document import write_document

DAILY = MaterializedView(name="dune.Acme.result_daily", query_id=1, sql="SELECT * FROM dex.trades")


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "dagster_dune.catalog.unknown_names"]


def load(tmp_path, *queries, external=(), matviews=(DAILY,)):
    """Load a catalog from its document; the first of the queries is query 1001."""
    catalog = DuneCatalog(
        materialized_views=matviews,
        queries=[Query(query_id=1001 + number, sql=f"SELECT * FROM {reads}") for number, reads in enumerate(queries)],
        external=external,
    )
    write_document(catalog, tmp_path / "catalog.json")
    return DuneCatalog.from_file(tmp_path / "catalog.json")


def test_one_warning_says_what_is_read_by_whom(tmp_path, caplog):
    load(tmp_path, "dune.acme.result_dayly", "dune.acme.result_dayly, dune.acme.result_pools")
    (warning,) = warnings(caplog)
    assert (
        ": dune.acme.result_dayly, read by query_1001, query_1002 (Did you mean dune.acme.result_daily?); "
        "dune.acme.result_pools, read by query_1002. Correct the names, " in warning
    )


@pytest.mark.parametrize(
    "reads",
    [
        "dune.acme.result_daily",
        "dune.other.result_dayly",
        "dune.acme.dataset_dayly",
        "dune.acme.interactions",
        "query_2",
        "query_1",
        "acme.result_dayly",
        "dex.result_dayly",
    ],
)
def test_nothing_is_said_of_other_names(tmp_path, caplog, reads):
    load(tmp_path, reads)
    assert warnings(caplog) == []


def test_nothing_is_said_of_external_names(tmp_path, caplog):
    load(tmp_path, "dune.acme.result_dayly", external=['dune."acme".result_Dayly'])
    assert warnings(caplog) == []


def test_nothing_is_said_where_no_team_is_known(tmp_path, caplog):
    load(tmp_path, "dune.acme.result_dayly", matviews=())
    assert warnings(caplog) == []


def test_the_message_is_short(tmp_path, caplog):
    names = [f"dune.acme.result_{letter * 9}" for letter in "abcdefghijklm"]
    load(tmp_path, *names, *["dune.acme.result_aaaaaaaaa"] * 5)
    (warning,) = warnings(caplog)
    assert "result_aaaaaaaaa, read by query_1001, query_1014, query_1015 and 3 more; dune" in warning
    assert "result_jjjjjjjjj, read by query_1010; and 3 more. Correct" in warning
    assert "kkk" not in warning


@pytest.fixture
def folder(tmp_path):
    """A folder of a matview, and of a query that misspells its name."""
    path = tmp_path / "queries"
    path.mkdir()
    (path / "daily.sql").write_text("/* dune\nmatview: dune.acme.result_daily\n*/ SELECT 1")
    (path / "top_4101001.sql").write_text("SELECT * FROM dune.acme.result_dayly")
    return path


def test_a_folder_names_the_file(folder, caplog):
    DuneCatalog.from_directory(folder)
    (warning,) = warnings(caplog)
    assert "dune.acme.result_dayly, read by query_4101001 in top_4101001.sql (Did you mean" in warning


def test_a_merged_catalog_holds_what_either_holds(tmp_path, caplog):
    folder = DuneCatalog(materialized_views=[DAILY], queries=[Query(query_id=1001, deps=["dex.trades"])])
    account = DuneCatalog(queries=[Query(query_id=1001, sql="SELECT * FROM dune.acme.result_daily")])
    DuneCatalog.merge(folder, account)
    assert warnings(caplog) == []
    DuneCatalog.merge(folder, DuneCatalog(queries=[Query(query_id=1001, sql="SELECT * FROM dune.acme.result_x")]))
    assert len(warnings(caplog)) == 1


def test_a_catalog_in_python_says_nothing(caplog):
    DuneCatalog(materialized_views=[DAILY], queries=[Query(query_id=1001, sql="SELECT * FROM dune.acme.result_dayly")])
    assert warnings(caplog) == []
