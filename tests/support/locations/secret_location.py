"""One account under several resources, each of which is given the key in another way, and two queries for each."""

import os

import dagster as dg
from pydantic import SecretStr

from dagster_dune import DuneCatalog, DuneResource, Query, build_dune_assets

WAYS = {
    "literal": lambda: str(os.environ["DUNE_API_KEY"]),
    "value_of_a_variable": lambda: dg.EnvVar("DUNE_API_KEY").get_value(),
    "variable": lambda: dg.EnvVar("DUNE_API_KEY"),
    "secret_text": lambda: SecretStr(os.environ["DUNE_API_KEY"]),
}


def catalog(number):
    """A query that works, and one that does not."""
    first = 10 * number
    return DuneCatalog(queries=[Query(query_id=first + 1), Query(query_id=first + 2, deps=[f"query_{first + 1}"])])


def load(dune):
    for number in range(len(WAYS)):
        dune.load_query(10 * number + 1, "works", "SELECT 1 AS one")
        dune.load_query(10 * number + 2, "fails", f"SELECT missing FROM query_{10 * number + 1}")


def definitions():
    return dg.Definitions(
        assets=[
            build_dune_assets(catalog(number), name=f"by_{way}", resource_key=way) for number, way in enumerate(WAYS)
        ],
        resources={way: DuneResource(api_key=key(), poll_interval=0.1) for way, key in WAYS.items()},
        executor=dg.in_process_executor,
    )


if "DUNE_API_KEY" in os.environ:
    defs = definitions()
