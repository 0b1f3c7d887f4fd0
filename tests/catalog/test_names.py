"""Names of what SQL can read."""

import pytest
from sqlglot import exp, parse_one

from dagster_dune.catalog.names import Reference, ReferenceKind, materialized_view_name, name_in_sql, slugify
from dagster_dune.errors import DuneCatalogError


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("query_42", "query_42", ReferenceKind.QUERY),
        (' "Query_42" ', "query_42", ReferenceKind.QUERY),
        ("dune.acme.result_x", "dune.acme.result_x", ReferenceKind.MATERIALIZED_VIEW),
        ('dune."21co".RESULT_X', "dune.21co.result_x", ReferenceKind.MATERIALIZED_VIEW),
        ("dune.my-team.result_x", "dune.my-team.result_x", ReferenceKind.MATERIALIZED_VIEW),
        ("dune.acme.dataset_x", "dune.acme.dataset_x", ReferenceKind.UPLOAD),
        ("dune.acme.labels", "dune.acme.labels", ReferenceKind.UPLOAD),
        ('dune."21co"."Dataset Name"', "dune.21co.dataset name", ReferenceKind.UPLOAD),
        ("dune.information_schema.tables", "dune.information_schema.tables", ReferenceKind.TABLE),
        ("dune.labels", "dune.labels", ReferenceKind.TABLE),
        ("dex.trades", "dex.trades", ReferenceKind.TABLE),
        ("delta_prod.dex.trades", "delta_prod.dex.trades", ReferenceKind.TABLE),
    ],
)
def test_parse(text, name, kind):
    assert Reference.parse(text) == Reference(name, kind)


@pytest.mark.parametrize(
    "text", ["", "  ", '""', "trades", "query_0", "query_007", "query_", "dex.", ".trades", "a..b"]
)
def test_no_names(text):
    with pytest.raises(DuneCatalogError, match="is no name that DuneSQL can read"):
        Reference.parse(text)


def test_what_can_be_refreshed_or_run():
    assert [kind.name for kind in ReferenceKind if kind.is_object] == ["QUERY", "MATERIALIZED_VIEW"]


def test_materialized_view_name_keeps_its_case():
    assert materialized_view_name('dune."21co".result_Daily') == "dune.21co.result_Daily"


@pytest.mark.parametrize(
    "text", ["result_x", "dune.result_x", "dune.acme.x", "dune.acme.dataset_x", "acme.result_x", "a.b.c.d"]
)
def test_no_materialized_view_name(text):
    with pytest.raises(DuneCatalogError, match=r"is not the full name.*dune\.<team>\.result_<name>"):
        materialized_view_name(text)


def test_empty_materialized_view_name():
    with pytest.raises(DuneCatalogError, match="A materialized view has no name"):
        materialized_view_name("  ")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dune.acme.labels", "dune.acme.labels"),
        ("dune._a.t_1", "dune._a.t_1"),
        ("dune.21co.t", 'dune."21co".t'),
        ("dune.my-team.t", 'dune."my-team".t'),
        ("dune.order.Select", 'dune."order"."Select"'),
        ('dex.a b"c', 'dex."a b""c"'),
        ("dune.é.t", 'dune."é".t'),
    ],
)
def test_a_name_in_sql_is_read_as_itself(name, expected):
    assert name_in_sql(name) == expected
    table = parse_one(f"SELECT * FROM {expected}", dialect="trino").find(exp.Table)
    assert ".".join(part.name for part in table.parts) == name


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Daily DEX volume", "Daily_DEX_volume"),
        ("  $ETH -- price!  ", "ETH_price"),
        ("keeps__underscores", "keeps__underscores"),
        ("_edges_", "edges"),
        ("Café 7d", "Cafe_7d"),
        ("交易", None),
        ("", None),
    ],
)
def test_slugify(text, slug):
    assert slugify(text) == slug
