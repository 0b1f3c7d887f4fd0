"""The example project with a schedule that is off until someone switches it on, and then soon ticks."""

import dagster as dg

from dune_project import definitions as project

every_minute = dg.ScheduleDefinition(name="every_minute", job=project.daily_dune, cron_schedule="* * * * *")
defs = dg.Definitions.merge(project.defs, dg.Definitions(schedules=[every_minute]))
