"""The example project with a schedule that ticks as soon as a schedule can."""

import dagster as dg

from dune_project import definitions as project

every_minute = dg.ScheduleDefinition(
    name="every_minute",
    job=project.daily_dune,
    cron_schedule="* * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
defs = dg.Definitions.merge(project.defs, dg.Definitions(schedules=[every_minute]))
