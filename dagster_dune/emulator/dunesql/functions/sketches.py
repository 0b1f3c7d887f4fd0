"""Functions of sketches of approximate aggregates, which contain all values here, so that results are exact."""

from __future__ import annotations

from dagster_dune.emulator.dunesql.functions.registry import Registry

SKETCHES = Registry("functions/hyperloglog")
_add = SKETCHES.add
_add("cardinality", "(hyperloglog) -> bigint", "CAST(len($1) AS BIGINT)")
_add("empty_approx_set", "() -> hyperloglog", "CAST([] AS VARCHAR[])")

DIGESTS = Registry("functions/qdigest")
_add = DIGESTS.add
for _digest, _value in (("tdigest", "double"), ("qdigest(T)", "T")):
    _add("value_at_quantile", f"({_digest}, double) -> {_value}", "trino_value_at_quantile($1, $2)")
    _add(
        "values_at_quantiles", f"({_digest}, array(double)) -> array({_value})",
        "list_transform([$1], lambda dune_digest: list_transform($2, "
        "lambda dune_share: trino_value_at_quantile(dune_digest, dune_share)))[1]",
    )  # fmt: skip
for _number in ("bigint", "double", "real"):
    _add("quantile_at_value", f"(qdigest({_number}), {_number}) -> double", "trino_quantile_at_value($1, $2)")
