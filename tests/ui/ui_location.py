"""The example project with a schedule that is off until someone switches it on, and then soon ticks: once."""

import dagster as dg

from dune_project import definitions as project


def has_not_run(context):
    """Whether this is the first tick: a second one would run on into the next test."""
    return not context.instance.get_runs(dg.RunsFilter(tags={"dagster/schedule_name": "every_minute"}), limit=1)


every_minute = dg.ScheduleDefinition(
    name="every_minute", job=project.daily_dune, cron_schedule="* * * * *", should_execute=has_not_run
)
defs = dg.Definitions.merge(project.defs, dg.Definitions(schedules=[every_minute]))
