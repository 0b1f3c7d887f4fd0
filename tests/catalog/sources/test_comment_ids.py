"""Which query the comments at the start of a file say that it is."""

import time

import pytest

from dagster_dune.catalog.sources.comment_ids import ids_in_comment
from dagster_dune.catalog.sources.file_ids import numbers_in

COMMENTS = {
    " query link: https://dune.com/queries/4711": [4711],
    "https://dune.com/queries/4711/9876": [4711],
    "http://www.dune.com/queries/4711": [4711],
    "- URL: https://dune.xyz/queries/243188/454830": [243188],
    "\n * Dune: dune.com/queries/4711\n *": [4711],
    "View on Dune: https://dune.com/queries/4711": [4711],
    "Dune query 3511777: https://dune.com/queries/3511777": [3511777],
    "Dune query #3511777 Volumes": [3511777],
    "Dune query 4711": [4711],
    "SAVED AS: query_4711": [4711],
    "Dune ID: 3511777": [3511777],
    "query_id: 3511777": [3511777],
    "https://dune.com/queries/1\nhttps://dune.com/queries/2": [1, 2],
    "<https://dune.com/queries/4711>": [4711],
    "(dune.com/queries/4711)": [4711],
    "[Query on Dune](https://dune.com/queries/4711)": [4711],
    "This query: https://dune.com/queries/4711": [4711],
    "Link to the query: https://dune.com/queries/4711": [4711],
    "saved at https://dune.com/queries/4711": [4711],
    "🔗 https://dune.com/queries/4711": [4711],
    "• @query https://dune.com/queries/4711": [4711],
    "https://dune.com/queries/4711 and https://dune.com/queries/4712": [4711, 4712],
    "https://dune.com/queries/4711/8, dune.com/queries/4712?x=1 | https://dune.com/queries/4713": [4711, 4712, 4713],
    "https://dune.com/queries/4711 (forked from https://dune.com/queries/4712)": [4711],
    "https://dune.com/queries/4711, which replaces https://dune.com/queries/4712": [4711],
    # labels and ids, as people write them
    "Query: 3511777": [3511777],
    "Query #3511777 - Volumes": [3511777],
    "query_3511777": [3511777],
    "QUERY_3511777.sql": [3511777],
    "id: 3511777": [3511777],
    "Dune: 3511777": [3511777],
    "Dune query number: 3511777": [3511777],
    "Dune query no. 3511777": [3511777],
    "Dune Query Id - 3511777": [3511777],
    "Query ID \u2192 3511777": [3511777],
    "query_id: '3511777'": [3511777],
    'query_id: "3511777"': [3511777],
    "query_id: `3511777`": [3511777],
    "query_id: [3511777]": [3511777],
    "**Query ID:** 3511777": [3511777],
    "Dune query (3511777)": [3511777],
    "Query ID   : 3511777   (an older one: 3511000)": [3511777],
    "======= Query Info =======\n-- query_id: 3511777   \n-- tags: []": [3511777],
    "SAVED AS: query_3511777  (https://dune.com/queries/3511777)": [3511777],
    "https://dune.com/embeds/3511777/42": [3511777],
    "https://api.dune.com/api/v1/query/3511777/results": [3511777],
    "Volumes of the day\nDune query 3511777": [3511777],
    "Query:\nhttps://dune.com/queries/4711": [4711],
    "Volume by day:\n\nhttps://dune.com/queries/4711": [4711],
    "Depends on:\nhttps://dune.com/queries/4712\n\nQuery link: https://dune.com/queries/4711": [4711],
    "Depends on:\nhttps://dune.com/queries/4712\nQuery link: https://dune.com/queries/4711": [4711],
    # what the line above says of it
    "Forked from:\nhttps://dune.com/queries/4711": [],
    "forked from\nhttps://dune.com/queries/4711": [],
    "Depends on:\n - https://dune.com/queries/4711\n - https://dune.com/queries/4712": [],
    "Reads:\nquery_3511777\nquery_3511778": [],
    "See also\nhttps://dune.com/queries/4711": [],
    "the totals come from\nDune query 3511777, which is run first": [],
    "Replaces\nhttps://dune.com/queries/4711": [],
    # as SQL names what is read
    "query_3511777 = Volumes": [],
    "query_3511777: what the volumes are made of": [],
    "query_3511777 (volumes)": [],
    "query_3511777 Volumes": [],
    # other words on other queries
    "Dune query 3511777 was replaced by this one": [],
    "Query 3511777 feeds this one": [],
    "Query ID: 12345678-0212-6f84-0000-e307218cae9e": [],
    "Query ID: 41711abc-0212-6f84-0000-e307218cae9e": [],
    "https://dune.com/queries/4711abc": [],
    "Query 20240131": [],
    "Dune query 2024": [],
    "id: 12": [],
    "Query 2 of 5": [],
    "forked from https://dune.com/queries/4711": [],
    "See also: https://dune.com/queries/4711": [],
    "source: https://dune.com/queries/4711": [],
    "[forked from](https://dune.com/queries/4711)": [],
    "uses [this query](https://dune.com/queries/4711)": [],
    "dashboard: https://dune.com/queries/4711": [],
    "https://example.com/queries/4711": [],
    "https://dune.com/queries/none": [],
    "https://dune.com/dashboards/4711": [],
    "Dune query 2 of 5": [],
    "Dune query 2024 review": [],
    "reads query_4711": [],
    "pool id: 4711111": [],
    "https://dune.com/queries/" + "9" * 5000: [],
}


@pytest.mark.parametrize(("comment", "ids"), COMMENTS.items(), ids=[comment.strip()[:30] for comment in COMMENTS])
def test_ids_in_comments(comment, ids):
    assert list(ids_in_comment(comment)) == ids


@pytest.mark.parametrize("filler", [" ", "_", "-", ": ", "query ", "dune ", "https://dune.com/queries/", "/", "("])
def test_long_comments_take_no_time(filler):
    start = time.process_time()
    assert list(ids_in_comment(filler * 50_000)) == []
    list(ids_in_comment(filler * (480 // len(filler))))
    list(numbers_in((filler * 255)[:255]))
    assert time.process_time() - start < 1
