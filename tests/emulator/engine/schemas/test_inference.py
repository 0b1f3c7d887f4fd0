"""The columns of tables that queries read: found, typed and put into an order."""

from dagster_dune.emulator.dunesql import View, compile_sql
from dagster_dune.emulator.engine.engine import Engine
from dagster_dune.emulator.engine.schemas.inference import infer


def compiled(sql):
    return compile_sql(sql, parameters={}, views=View)


def tables_of(**texts):
    found = infer([compiled(text) for text in texts.values()])
    return found.schema, list(found.problems.values())


def test_an_element_and_a_plain_column_may_be_of_one_type():
    tables, problems = tables_of(
        a="""WITH every AS (
                         SELECT part AS item FROM acme.a, UNNEST(parts) AS t(part)
                         UNION ALL SELECT one FROM acme.b b, UNNEST(ARRAY[b.first, NULL, b.second]) AS t(one)
                         UNION ALL SELECT inner_parts[2] FROM acme.c
                         UNION ALL SELECT pairs[1][2] FROM acme.d
                     )
                     SELECT e.item, l.name FROM every e JOIN acme.labels l ON l.item = e.item""",
        b="SELECT name FROM acme.labels l WHERE l.item = 0x01",
        c="SELECT x.rates, coalesce(x.lead, x.rates[1]) AS lead FROM acme.e x WHERE x.lead > 2e0",
        d="""SELECT s.both[1] || '!' AS one FROM (SELECT ARRAY[low, high] AS both FROM acme.f) s""",
        e="SELECT a.pair FROM acme.g a WHERE a.pair[1] = 0x02 AND a.pair[2] = 0x03",
        f="SELECT 1 AS n FROM acme.g a JOIN acme.h b ON a.pair = b.other JOIN acme.i c ON c.k = b.other[1]",
    )
    assert problems == []
    assert tables["acme.labels"]["item"] == tables["acme.b"]["first"] == tables["acme.b"]["second"] == "varbinary"
    assert tables["acme.a"]["parts"] == tables["acme.c"]["inner_parts"] == "array(varbinary)"
    assert tables["acme.d"]["pairs"] == "array(array(varbinary))"
    assert tables["acme.e"] == {"lead": "double", "rates": "array(double)"}
    assert tables["acme.f"] == {"high": "varchar", "low": "varchar"}
    assert tables["acme.g"]["pair"] == tables["acme.h"]["other"] == "array(varbinary)"
    assert tables["acme.i"]["k"] == "varbinary"


def test_the_columns_of_two_stars_are_paired_by_their_names():
    tables, problems = tables_of(
        a="SELECT keeper, at_time, fee FROM acme.a WHERE keeper = 0x01 AND at_time > now() AND fee > 1",
        b="SELECT fee / 2 AS half, at_time > now() AS is_late, keeper = 0x02 AS mine FROM acme.b",
        c="""WITH every AS (SELECT *, 'a' AS chain FROM acme.a UNION SELECT *, 'b' FROM acme.b)
                     SELECT chain, extra || '!' AS extra FROM every WHERE keeper = 0x03 AND at_time < now()""",
        d="SELECT upper(b.note) AS note FROM acme.b b",
    )
    assert problems == []
    assert list(tables["acme.a"].items()) == list(tables["acme.b"].items())
    assert tables["acme.a"] == {
        "keeper": "varbinary",
        "at_time": "timestamp(3) with time zone",
        "fee": "double",
        "extra": "varchar",
        "note": "varchar",
    }


def test_a_column_beside_one_of_two_stars_is_one_of_the_other_table():
    every = """WITH every AS (
                         SELECT *, 'new' AS version FROM acme.latest
                         UNION ALL SELECT *, NULL AS keeper, 'old' AS version FROM acme.first
                         UNION ALL SELECT *, NULL AS keeper, 'older' AS version FROM acme.oldest
                     )
                     SELECT version, amount + 1 AS amount FROM every WHERE keeper = 0x01"""
    tables, problems = tables_of(a=every)
    assert problems == []
    assert list(tables["acme.latest"].items()) == [("amount", "double"), ("keeper", "varbinary")]
    assert tables["acme.first"] == tables["acme.oldest"] == {"amount": "double"}
    engine = Engine(None)
    for name, columns in tables.items():
        engine.load_table(name, [], columns)
    assert engine.select(compiled(every)).run().rows == []


def test_a_column_that_a_star_passes_on_is_given_up_for_one_that_is_named():
    tables, problems = tables_of(
        a="""SELECT gauge, receiver, y.cap
                     FROM (SELECT * FROM acme.made) x JOIN (SELECT * FROM acme.calls WHERE cap > 1) y
                     ON x.gauge = y.output""",
        b="SELECT c.receiver FROM acme.calls c WHERE c.receiver = 0x01",
        c="WITH days AS (SELECT *, date_trunc('day', at) AS day FROM acme.supply) SELECT day, n FROM days",
        d="SELECT day, s.n FROM acme.supply s JOIN acme.days d ON d.id = s.id",
        e="SELECT max(d.day) AS day FROM acme.days d",
    )
    assert problems == []
    assert set(tables["acme.made"]) == {"gauge"}
    assert tables["acme.calls"]["receiver"] == "varbinary"
    assert set(tables["acme.supply"]) == {"at", "id", "n"}
    assert "day" in tables["acme.days"]
