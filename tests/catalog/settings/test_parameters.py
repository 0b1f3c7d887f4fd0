"""Values of parameters: checked, and written as Dune takes them."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
import yaml

from dagster_dune.catalog.settings.parameters import (
    QueryParameter,
    check_unchanged_by_yaml,
    checked_values,
    joined,
    likely_type,
    plain_value,
)
from dagster_dune.errors import DuneCatalogError

TEXT = QueryParameter(key="Chain Name")
NUMBER = QueryParameter(key="n", type="number")
DAY = QueryParameter(key="day", type="datetime")
TIER = QueryParameter(key="tier", type="enum", options=("gold", "silver"))
CHAINS = QueryParameter(key="chains", type="enum", options=("ethereum", "base"), multiple=True)
FREE = QueryParameter(key="token", type="enum", options=("WETH", "1"), freeform=True)
LABELS = QueryParameter(key="labels", multiple=True)


@pytest.mark.parametrize(
    ("parameter", "value", "text"),
    [
        (TEXT, "ethereum", "ethereum"),
        (TEXT, "", ""),
        (TEXT, 5, "5"),
        (NUMBER, 5, "5"),
        (NUMBER, "-0.5", "-0.5"),
        (NUMBER, 2**256 - 1, str(2**256 - 1)),
        (NUMBER, 1.5e30, "1.5e+30"),
        (DAY, date(2024, 1, 31), "2024-01-31 00:00:00"),
        (DAY, datetime.fromisoformat("2024-01-31T12:30:00"), "2024-01-31 12:30:00"),
        (DAY, datetime(2024, 1, 31, 1, tzinfo=timezone(timedelta(hours=2))), "2024-01-30 23:00:00"),
        (DAY, "2024-01-31", "2024-01-31"),
        (DAY, "2024-01-31 12:30:00.5", "2024-01-31 12:30:00.5"),
        (DAY, "2024-01-31T12:30Z", "2024-01-31T12:30Z"),
        (TIER, "gold", "gold"),
        (QueryParameter(key="free", type="enum"), "anything", "anything"),
        (FREE, "USDC", "USDC"),
        (NUMBER, Decimal("0.10"), "0.10"),
        (NUMBER, Decimal("1E+3"), "1000"),
        (NUMBER, Decimal(2**200), str(2**200)),
        (NUMBER, Decimal("1E-500"), "1E-500"),
        (TEXT, Decimal("12"), "12"),
        (DAY, datetime(2024, 1, 31, 1, 0, 0, 250, tzinfo=timezone(timedelta(hours=-3))), "2024-01-31 04:00:00.000250"),
        (DAY, datetime.fromisoformat("0870-01-31T12:30:00"), "0870-01-31 12:30:00"),
        (CHAINS, ["ethereum", "base"], ["ethereum", "base"]),
        (CHAINS, ("base",), ["base"]),
        (CHAINS, "base", "base"),
        (CHAINS, [], []),
        (LABELS, ["a, b", 5], ["a, b", "5"]),
    ],
)
def test_values(parameter, value, text):
    assert checked_values("query_1", [parameter], {parameter.key: value}) == {parameter.key: text}


@pytest.mark.parametrize(
    ("parameter", "value", "wanted"),
    [
        (TEXT, True, "a text, a number or a datetime, not True"),
        (TEXT, float("nan"), "a text, a number or a datetime, not nan"),
        (NUMBER, Decimal("NaN"), r"a number, not Decimal\('NaN'\)"),
        (NUMBER, Decimal("-Infinity"), "a number, not"),
        (TEXT, ["a"], r"a text, a number or a datetime, not \['a'\]"),
        (TEXT, {"a": 1}, "a text, a number or a datetime"),
        (NUMBER, "five", "a number, not 'five'"),
        (NUMBER, "1_000", "a number"),
        (NUMBER, "nan", "a number"),
        (NUMBER, " 5", "a number"),
        (NUMBER, "", "a number"),
        (DAY, "yesterday", "a datetime such as"),
        (DAY, "2024-02-30", "a datetime such as"),
        (DAY, 5, "a datetime such as"),
        (TIER, "bronze", "one of 'gold', 'silver', not 'bronze'"),
        (CHAINS, ["ethereum", "solana"], "one of 'ethereum', 'base', not 'solana'"),
    ],
)
def test_wrong_values(parameter, value, wanted):
    with pytest.raises(DuneCatalogError, match=f"The parameter '{parameter.key}' of query_1 must be {wanted}"):
        checked_values("query_1", [parameter], {parameter.key: value})


def test_no_value():
    with pytest.raises(
        DuneCatalogError, match=f"The parameter '{TEXT.key}' of query_1 is given no value. Leave it out"
    ):
        checked_values("query_1", [TEXT], {TEXT.key: None})


def test_unknown_key_has_a_close_match():
    with pytest.raises(DuneCatalogError, match=r"query_1 has no parameter 'chain name'\. Did you mean 'Chain Name'\?"):
        checked_values("query_1", [TEXT, NUMBER], {"chain name": "x"})


def test_unknown_key_without_close_match():
    with pytest.raises(DuneCatalogError, match="Its parameters: 'Chain Name', 'n'"):
        checked_values("query_1", [TEXT, NUMBER], {"zzz": "x"})


def test_any_key_will_do_where_none_is_declared():
    assert checked_values("query_1", [], {"Any": [1, "b"]}) == {"Any": ["1", "b"]}


@pytest.mark.parametrize("parameter", [TEXT, FREE, LABELS, QueryParameter(key="open", type="enum")])
@pytest.mark.parametrize(
    "typed", ["0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045", "0123", "12:30:45", "1.5e+5", "no", "On", "1_000", "7"]
)
def test_what_yaml_has_changed_is_refused_where_a_text_is_wanted(parameter, typed):
    value = yaml.safe_load(typed)
    assert not isinstance(value, str)
    for given in (value, [value]):
        with pytest.raises(DuneCatalogError, match=rf"'{parameter.key}' of query_1 is a text.*Put it in quotes"):
            check_unchanged_by_yaml("query_1", [parameter], {parameter.key: given})
    check_unchanged_by_yaml("query_1", [parameter], {parameter.key: yaml.safe_load(f"'{typed}'")})


def test_numbers_are_taken_where_numbers_are_wanted():
    check_unchanged_by_yaml("query_1", [NUMBER], {"n": 2**255})
    check_unchanged_by_yaml("query_1", [TIER.model_copy(update={"options": ("1", "2")})], {"tier": 2})
    with pytest.raises(DuneCatalogError, match=r"'n' of query_1 is given the truth value False.*in quotes"):
        check_unchanged_by_yaml("query_1", [NUMBER], {"n": False})


def test_a_number_of_nobody_knows_what_is_refused_where_nobody_types_such_numbers():
    check_unchanged_by_yaml("query_1", [], {"limit": 10, "share": 0.5})
    with pytest.raises(DuneCatalogError, match=r"is given the number \d{40,}, which was hardly meant so\..*in quotes"):
        check_unchanged_by_yaml("query_1", [], {"wallet": 0xD8DA6BF26964AF9D7EED9E03E53415D37AA96045})


def test_several_values_as_one_text():
    assert (joined(["a", "b"]), joined([]), joined(["é, b"])) == ("a,b", "", '["é, b"]')


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("5", "number"),
        ("1e-9", "number"),
        ("0xC02a", "text"),
        ("2024-01-31", "datetime"),
        ("2024-13-31", "text"),
        ("12:30", "text"),
        ("", "text"),
    ],
)
def test_likely_type(text, kind):
    assert likely_type(text) == kind


def test_plain_values_are_json():
    assert plain_value([date(2024, 1, 1), ("a", 1, 0.5)]) == ["2024-01-01 00:00:00", ["a", 1, 0.5]]
