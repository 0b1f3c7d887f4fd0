"""Two code locations in one file: two teams, whose jobs have one name."""

import dagster as dg

from dagster_dune import DuneCatalog, DuneResource, Query, build_dune_assets, build_schedule_from_dune_selection


def of_team(query_id):
    """The definitions of a team with one query."""
    assets = build_dune_assets(DuneCatalog(queries=[Query(query_id=query_id)]))
    daily = build_schedule_from_dune_selection([assets], "daily", "0 6 * * *", skip_if_running=True)
    return dg.Definitions(
        assets=[assets], schedules=[daily], resources={"dune": DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"))}
    )


dex, nft = of_team(1), of_team(2)
