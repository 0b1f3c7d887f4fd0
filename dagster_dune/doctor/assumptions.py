"""The registry of assumptions about Dune: their ids, and whether an account can confirm them.

The table in docs/assumptions.md has the same ids, and so have the comments (``# Assumption: <id>.``) where the code
relies on one. tests/doctor/test_assumptions.py compares the three.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TriedBy = Literal["reads", "execute", "nothing"]


@dataclass(frozen=True)
class Assumption:
    """One row of the first table of docs/assumptions.md.

    Attributes:
        id: The id in docs, comments and reports.
        says: The assumption in a few words.
        tried_by: What checks it: reads alone, ``doctor --execute``, or nothing.
        changes: The consequence if it does not hold; if nothing checks it, the reason.
        setting: The code to paste if it does not hold; empty if there is no such setting.
    """

    id: str
    says: str
    tried_by: TriedBy
    changes: str
    setting: str = ""


ASSUMPTIONS = (
    Assumption(
        "nodes-form",
        "pipelines/execute takes a graph of nodes",
        "execute",
        "Runs fail with Dune's error, before anything is charged.",
        'build_dune_assets(pipeline_form="lineage")',
    ),
    Assumption(
        "lineage-form",
        'pipelines/execute takes {"query_id": ...}',
        "execute",
        "Runs of the lineage form fail, before anything is charged.",
        'build_dune_assets(pipeline_form="nodes")',
    ),
    Assumption(
        "default-tier",
        "without a tier, Dune takes the plan's",
        "execute",
        "Requests without a tier are refused.",
        'DuneResource(performance="medium")',
    ),
    Assumption(
        "failed-pipeline-word",
        "a pipeline that failed says so",
        "execute",
        "Such a pipeline stays open here until its nodes have settled, or stall_timeout has passed.",
        "DuneResource(stall_timeout=300)",
    ),
    Assumption(
        "node-words",
        "nodes carry the words of executions",
        "execute",
        "The execution of each such node is asked, a request more a poll.",
    ),
    Assumption(
        "canceled-spelling",
        "what was cancelled says CANCELED or CANCELLED",
        "execute",
        "A cancelled node settles late, and not as cancelled.",
    ),
    Assumption(
        "node-error",
        "a node with an error has failed",
        "execute",
        "Assets with mere warnings are reported as failed.",
    ),
    Assumption(
        "partial-success",
        "COMPLETED_PARTIAL is a success",
        "nothing",
        "It takes a result larger than 32 GB.",
    ),
    Assumption(
        "blocked-nodes",
        "a node that can no longer start says nothing",
        "execute",
        "Dependents of a failed node are reported as Dune words it, and not as skipped.",
    ),
    Assumption(
        "late-nodes",
        "when a pipeline ends, its nodes say so within 3 answers",
        "execute",
        "Nodes that end later are asked for one by one, or reported as failed.",
        "DuneResource(poll_interval=10)",
    ),
    Assumption(
        "null-nodes",
        "nodes are listed, if not at first",
        "execute",
        "No node of a pipeline settles: each is reported as failed.",
        'build_dune_assets(pipeline_form="lineage")',
    ),
    Assumption(
        "node-ids",
        "nodes have the ids of the request",
        "execute",
        "Nodes are told apart by name; one query in several nodes cannot be.",
        'QueryPartitions(ranges="parameters")',
    ),
    Assumption(
        "young-pipeline",
        "a new pipeline is known within 10 s",
        "execute",
        "Runs fail although their pipeline runs; a retry takes it over.",
    ),
    Assumption(
        "repeated-query",
        "one query can stand in several nodes, with other parameters",
        "execute",
        "Ranges of partitions are refused, or have each other's rows.",
        'QueryPartitions(ranges="parameters")',
    ),
    Assumption(
        "ulid-order",
        "execution ids are ULIDs",
        "execute",
        "The sensor may ask about older executions first.",
    ),
    Assumption(
        "no-idempotency",
        "after a lost answer, Dune may have started the work",
        "nothing",
        "It takes a request whose answer is lost, and that may be charged.",
    ),
    Assumption(
        "refused-not-started",
        "a refused request was not carried out",
        "execute",
        "A pipeline could run, and be charged, twice.",
        "DuneResource(max_retries=0)",
    ),
    Assumption(
        "cancel-stops-dependents",
        "dependents of a cancelled node do not start",
        "execute",
        "Dependents that start are cancelled as well, for 20 s.",
    ),
    Assumption(
        "failed-cast-text",
        "the error of a failed node quotes the text of a failed cast",
        "execute",
        "A gate that says no counts as one that failed to run.",
    ),
    Assumption(
        "failure-stops-dependents",
        "dependents of a failed node do not start",
        "execute",
        "Gates hold nothing back, and what reads a failed asset is charged.",
    ),
    Assumption(
        "node-credits",
        "an execution of a pipeline says what it cost",
        "execute",
        "Credits are missing from the metadata.",
        "DuneResource(details=False)",
    ),
    Assumption(
        "matview-names",
        "matviews are named dune.<team>.result_<name>",
        "reads",
        "Matviews of other names are left out of the catalog.",
    ),
    Assumption(
        "matview-rows",
        "the result of a matview's refresh is the matview's rows",
        "nothing",
        "A refresh is charged, and changes a matview: compare get_result with the rows that run_sql reads.",
    ),
    Assumption(
        "csv-null",
        "CSV writes NULL as <nil>, an empty text as nothing",
        "execute",
        "NULLs become texts, or empty texts NULL.",
        'dune.get_result(context, asset_key, wire="json")',
    ),
    Assumption(
        "csv-nil-filter",
        "a filter = '<nil>' finds the text and no NULL",
        "execute",
        "Real texts <nil> are taken for NULL, or columns are read as JSON in vain.",
        'dune.get_result(context, asset_key, wire="json")',
    ),
    Assumption(
        "sorted-ties",
        "rows that sort_by does not tell apart keep their order in every page",
        "nothing",
        "That they kept it once says nothing of the next time.",
    ),
    Assumption(
        "filtered-offset",
        "offsets of filtered rows count what fulfils the filter",
        "execute",
        "Results of several filtered pages are an error.",
    ),
    Assumption(
        "page-size",
        "a page has the rows of its limit; the next follows",
        "execute",
        "Results of several pages are an error.",
    ),
    Assumption(
        "csv-nested",
        "nested values can be read as JSON, whatever CSV makes of them",
        "execute",
        "Columns of nested values cannot be read.",
    ),
    Assumption(
        "json-column-names",
        "a column whose name comes twice cannot be read",
        "nothing",
        "It is so of JSON, whatever Dune sends.",
    ),
    Assumption(
        "last-executions",
        "a refresh is among its matview's last_execution_ids",
        "execute",
        "The sensor does not see refreshes that Dune made by itself.",
    ),
    Assumption(
        "retry-after",
        "429 comes with Retry-After",
        "reads",
        "Waits grow by themselves, and runs are slower under a low limit.",
        "DuneResource(poll_interval=5)",
    ),
    Assumption(
        "table-bodies",
        "tables take their rows as NDJSON and CSV",
        "nothing",
        "A table costs 10 credits: the first upload tells, which is all or nothing.",
    ),
    Assumption(
        "table-milliseconds",
        "timestamps of tables have milliseconds",
        "nothing",
        "A table costs 10 credits: the first upload tells.",
    ),
    Assumption(
        "lost-insert",
        "an insert whose answer was lost arrives within ten minutes",
        "nothing",
        "It takes an insert whose answer is lost.",
    ),
    Assumption(
        "table-prices",
        "a table costs 10 credits, an insert 3 a GB",
        "nothing",
        "It takes buying one.",
    ),
    Assumption(
        "dagster-plus-events",
        "Dagster+ keeps acknowledged events and their tags",
        "nothing",
        'It is no matter of Dune: try a retry there, whose log must say "Taking over".',
    ),
)

BY_ID = {assumption.id: assumption for assumption in ASSUMPTIONS}
