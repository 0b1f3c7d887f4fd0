"""The example project with a schedule that is off until someone switches it on, and then soon ticks: once."""

import os
from pathlib import Path

import dagster as dg

from dune_project import definitions as project


def is_the_first(_):
    """Whether this is the first tick of the deployment: a second one would come late, and run on into another test."""
    try:
        Path(os.environ["DAGSTER_HOME"], "has_ticked").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


every_minute = dg.ScheduleDefinition(
    name="every_minute", job=project.daily_dune, cron_schedule="* * * * *", should_execute=is_the_first
)
defs = dg.Definitions.merge(project.defs, dg.Definitions(schedules=[every_minute]))
