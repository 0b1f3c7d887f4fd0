"""The example of data out and in: one run uploads labels, makes one pipeline call, and draws a chart of the result."""

import base64

import polars as pl
import pytest

from dagster_dune.cli import load_folder
from dune_project import labels


def test_one_run_goes_from_python_to_dune_and_back(dune, instance, monkeypatch, tmp_path, calls, resource):
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    monkeypatch.setattr(labels, "FILE", tmp_path / "data" / "shares.parquet")
    load_folder(dune, labels.Path(labels.__file__).parent / "label_queries")
    job = labels.defs.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=instance)
    assert result.success
    assert len(calls()) == 1
    assert {step.step_key for step in instance.get_run_step_stats(result.run_id)} == {
        "dune__acme__chain_labels", "labelled", "volume_chart",
    }  # fmt: skip
    (event,) = result.asset_materializations_for_node("volume_chart")
    image = event.metadata["chart"].value.partition("base64,")[2].rstrip(")")
    assert base64.b64decode(image).startswith(b"\x89PNG")

    shares = pl.read_parquet(labels.FILE)
    known = ", ".join(f"'{chain}'" for chain in ("ethereum", "bnb", "base", "arbitrum", "polygon"))
    sql = f"SELECT sum(amount_usd) AS v, count(*) AS n FROM dex.trades WHERE blockchain IN ({known})"
    (by_another_route,) = resource.run_sql(sql).read().to_pylist()
    assert shares["trades"].sum() == by_another_route["n"]
    assert shares["volume_usd"].sum() == pytest.approx(by_another_route["v"], rel=1e-12)
    sums = shares.group_by("month").agg(pl.col("share").sum())
    assert sums["share"].to_list() == pytest.approx([1.0] * sums.height)
