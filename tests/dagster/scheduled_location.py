"""The example project with a schedule that ticks as soon as a schedule can."""

import dagster as dg

from dune_project.definitions import daily_dune
from dune_project.definitions import defs as project

every_minute = dg.ScheduleDefinition(
    name="every_minute",
    job=daily_dune,
    cron_schedule="* * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
defs = dg.Definitions.merge(project, dg.Definitions(schedules=[every_minute]))
