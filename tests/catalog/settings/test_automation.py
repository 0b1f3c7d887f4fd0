"""Conditions and crons of a header."""

import pytest

from dagster_dune.catalog.catalog import DuneCatalog
from dagster_dune.catalog.settings.automation import is_cron
from dagster_dune.errors import DuneCatalogError


@pytest.mark.parametrize(
    "cron", ["0 6 * * *", "*/15 * * * *", "0,30 1-5/2 L * mon-fri", "5 4 * jan,3 7", "0 0 * * 1#2"]
)
def test_crons(cron):
    assert is_cron(cron)


@pytest.mark.parametrize(
    "cron", ["61 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * fre", "a b c d e", "*"]
)
def test_no_crons(cron):
    assert not is_cron(cron)


def test_a_bad_cron_is_found_when_the_header_is_read(tmp_path):
    file = tmp_path / "x_4100001.sql"
    file.write_text('/* dune\nautomation: {condition: on_cron, cron: "61 * * * *"}\n*/\nSELECT 1')
    with pytest.raises(DuneCatalogError, match=rf"{file}, line \d: .*'61 \* \* \* \*' is no cron"):
        DuneCatalog.from_directory(tmp_path, strict=True)


@pytest.mark.parametrize("freshness", ["fail_hours: 1e300", "fail_hours: 1e-9", "fail_hours: 2, warn_hours: 0.01"])
def test_a_time_that_dagster_cannot_wait_for_is_found_when_the_header_is_read(tmp_path, freshness):
    file = tmp_path / "x_4100001.sql"
    file.write_text(f"/* dune\nfreshness: {{{freshness}}}\n*/\nSELECT 1")
    with pytest.raises(DuneCatalogError, match=rf"{file}, line 2: .*_hours must be at least a minute"):
        DuneCatalog.from_directory(tmp_path, strict=True)
