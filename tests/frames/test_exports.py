"""Exports: a file is whole or not there, a table is changed by one writer at a time, whatever is killed."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import wait as really_wait
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.spec import AbstractFileSystem
from interrupting import press_ctrl_c
from result_server import ResultServer
from waiting import PATIENCE, wait_until

from dagster_dune import DuneApiClient, DuneConfigurationError, DuneResultError
from dagster_dune.frames import duckdb_tables, duckdb_transactions, exports
from dagster_dune.frames.duckdb_tables import write_duckdb
from dagster_dune.frames.exports import write_parquet
from dagster_dune.frames.results import open_reader
from dagster_dune.frames.text_files import write_csv, write_ndjson
from dagster_dune.frames.types.columns import SHORT_DIGITS
from dagster_dune.paging import execution_pages
from dagster_dune.paging.options import Export

KILLS = int(os.environ.get("DAGSTER_DUNE_KILLS", "5"))
NAMES = ["n", "u", "d", "i"]
TYPES = ["bigint", "uint256", "decimal(10,2)", "interval day to second"]
ROWS = [[str(n), str(2**256 - n), f"{n}.50", "1 00:00:00.000"] for n in range(1, 41)]


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(execution_pages, "MAX_DATAPOINTS", 40)
    monkeypatch.setattr(exports, "ROW_GROUP_ROWS", 20)
    with ResultServer(NAMES, TYPES, ROWS) as running:
        yield running


@pytest.fixture
def source(server):
    with DuneApiClient("key", server.url, max_retries=0) as client:
        yield lambda **options: open_reader(client, server.ID, **options)


def break_page(offset):
    def change(path, options, answer):
        if options.get("offset") == str(offset):
            answer.update(status=400, body=b'{"error": "no"}')

    return change


def test_a_parquet_file_holds_rows_types_and_dunes_own_types(source, tmp_path):
    export = write_parquet(source(), tmp_path / "new" / "out.parquet")
    assert export.rows == 40
    file = pq.ParquetFile(tmp_path / "new" / "out.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [20, 20]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    table = file.read()
    assert json.loads(table.schema.metadata[b"dagster-dune/column_types"]) == list(
        map(list, zip(NAMES, TYPES, strict=True))
    )
    assert table.schema.field("u").metadata[b"dagster-dune/type"] == b"uint256"
    assert table.slice(0, 1).to_pylist() == [
        {"n": 1, "u": str(2**256 - 1), "d": Decimal("1.50"), "i": timedelta(days=1)}
    ]


class Texts:
    """A source of ten rows a batch, with a text in each."""

    schema = pa.schema([("text", pa.string())])

    def __init__(self, *widths):
        self.export, self.widths = Export(), widths

    def batches(self):
        for width in self.widths:
            yield pa.record_batch([pa.array(["x" * width] * 10)], schema=self.schema)


@pytest.mark.parametrize(
    ("widths", "groups"),
    [([100] * 6, [30, 30]), ([1] * 9, [40, 40, 10]), ([10_000, 1, 10_000, 100], [10, 20, 10]), ([10_000], [10])],
)
def test_row_groups_are_as_many_rows_or_bytes_as_are_held(tmp_path, monkeypatch, widths, groups):
    monkeypatch.setattr(exports, "ROW_GROUP_ROWS", 40)
    monkeypatch.setattr(exports, "ROW_GROUP_BYTES", 3_000)
    write_parquet(Texts(*widths), tmp_path / "out.parquet")
    metadata = pq.read_metadata(tmp_path / "out.parquet")
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == groups


@pytest.mark.parametrize("offset", [0, 20, 30])
def test_an_export_that_fails_leaves_what_was_there(server, source, tmp_path, offset):
    path = tmp_path / "out.parquet"
    path.write_bytes(b"before")
    server.change = break_page(offset)
    with pytest.raises(Exception, match="no"):
        write_parquet(source(), path)
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"before", [path])


@pytest.mark.parametrize("stem", ["x" * 247, "x" + "日" * 82], ids=["letters", "ideographs"])
def test_a_file_has_any_name_that_a_file_may_have(source, tmp_path, stem):
    path = tmp_path / f"{stem}.parquet"
    (tmp_path / f".{path.name.encode()[:240].decode(errors='ignore')}.12345678.part").touch()  # of a killed writer
    assert write_parquet(source(), path).rows == pq.read_metadata(path).num_rows
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_of_killed_writers_are_removed_and_those_of_others_are_not(source, tmp_path):
    dead = tmp_path / ".out.parquet.0a1b2c3d.part"
    other = tmp_path / ".other.parquet.0a1b2c3d.part"
    for path in (dead, other):
        path.write_bytes(b"half")
    with exports.atomic_file(tmp_path / "out.parquet") as file:
        file.write(b"1")
        with exports.atomic_file(tmp_path / "out.parquet") as second:  # the first still writes
            second.write(b"2")
        assert (tmp_path / "out.parquet").read_bytes() == b"2"
    assert (tmp_path / "out.parquet").read_bytes() == b"1"
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.name, "out.parquet"]


def test_an_object_stands_when_it_is_whole(server, source):
    store = fsspec.filesystem("memory")
    write_parquet(source(), "memory://bucket/out.parquet")
    with store.open("/bucket/out.parquet") as file:
        assert pq.read_table(file).num_rows == 40
    server.change = break_page(20)
    with pytest.raises(Exception, match="no"):
        write_parquet(source(), "memory://bucket/never.parquet")
    assert not store.exists("/bucket/never.parquet")


def test_a_file_url_is_a_local_path(source, tmp_path):
    write_parquet(source(), f"file://{tmp_path}/out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder, and a working folder beside it that stays empty."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    yield home
    assert list(work.iterdir()) == []


@pytest.mark.parametrize("write", [write_parquet, write_csv, partial(write_duckdb, table="t")])
@pytest.mark.parametrize("kind", [str, Path])
def test_a_tilde_is_the_home_folder(source, home, write, kind):
    write(source(), kind("~/folder/out"))
    assert [str(path.relative_to(home)) for path in home.rglob("*")] == ["folder", "folder/out"]


def test_the_file_of_another_asset_in_the_home_folder_is_left_as_it_is(source, home):
    write_parquet(source(), home / "out.parquet", asset="a")
    with pytest.raises(DuneResultError, match="has been exported by the asset a, and b would"):
        write_parquet(source(), "~/out.parquet", asset="b")


@pytest.mark.parametrize("place", ["{folder}/link.parquet", "file://{folder}/link.parquet"])
@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_what_it_names_is_written(source, tmp_path, place, there):
    other, link = tmp_path / "other", tmp_path / "link.parquet"
    other.mkdir()
    if there:
        (other / "real.parquet").touch()
    link.symlink_to(other / "real.parquet")
    write_parquet(source(), place.format(folder=tmp_path))
    assert link.is_symlink()
    assert pq.read_table(other / "real.parquet").num_rows > 0
    assert [path.name for path in other.iterdir()] == ["real.parquet"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_what_is_no_file_is_not_replaced_by_one(source, tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DuneResultError, match=r"pipe.csv cannot be written: .* is there and no file"):
        write_csv(source(), tmp_path / "pipe.csv")
    assert [path.is_fifo() for path in tmp_path.iterdir()] == [True]


def test_what_cannot_be_written_is_refused(source, tmp_path):
    with pytest.raises(DuneConfigurationError, match="'brotli' is none of zstd"):
        write_parquet(source(), tmp_path / "x", compression="brotli")
    with pytest.raises(DuneConfigurationError, match="cannot be used"):
        write_parquet(source(), "nosuchstore://x/y")


def test_a_place_that_cannot_be_written_is_named(source, tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "out.parquet", tmp_path):
        with pytest.raises(DuneResultError, match=r"cannot be written: .* Nothing new stands under that name"):
            write_parquet(source(), path)
    with pytest.raises(DuneResultError, match=r"for t in .* cannot be kept on disk: .* The table is as it was"):
        write_duckdb(source(), tmp_path / "file" / "a.duckdb", "t")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
@pytest.mark.parametrize("write", [write_parquet, write_csv, write_ndjson])
def test_a_full_disk_is_named_and_nothing_is_left(source, tmp_path, monkeypatch, write):
    """Each part is a full device: what is written into it never arrives."""

    def full(path):
        part = path.with_name(".part")
        part.symlink_to("/dev/full")
        return part, part.open("wb", buffering=0)

    (tmp_path / "out").write_text("before")
    monkeypatch.setattr(exports, "_new_part", full)
    with pytest.raises(DuneResultError, match=r"out cannot be written: .*No space left on device"):
        write(source(), tmp_path / "out")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out", "before")]


def test_an_object_store_that_fails_is_named(source, monkeypatch):
    class NoRoomError(Exception):
        """As each store has its own."""

    def refuse(*args, **kwargs):
        raise NoRoomError("the bucket is gone")

    monkeypatch.setattr(fsspec.filesystem("memory").__class__, "_open", refuse)
    with pytest.raises(DuneResultError, match=r"bucket/out\.parquet cannot be written: the bucket is gone"):
        write_parquet(source(), "memory://bucket/out.parquet")
    with pytest.raises(DuneConfigurationError, match="The file system of 'file:///x' cannot be used"):
        write_parquet(source(), "file:///x", storage_options={1: 2})


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "ftp://me:secret@127.0.0.1:1/x",
            r"The file system of 'ftp://me:\*\*\*@127.0.0.1:1/x' .*: \[Errno \d+\] .*refused",
        ),
        ("zip://x::file:///no/such.zip", r"The file system of 'zip://x::file:///no/such.zip' .*: .*No such file"),
        (
            "silent://x",
            r"The file system of 'silent://x' cannot be used: TimeoutError\. Check the URL, storage_options",
        ),
        ("http://127.0.0.1:1/x", r"http://127.0.0.1:1/x cannot be written: NotImplementedError\. Nothing new"),
    ],
)
@pytest.mark.parametrize("write", [write_parquet, write_csv, write_ndjson])
def test_a_store_that_cannot_be_reached_is_named(source, write, url, said):
    with pytest.raises(DuneResultError, match=said):
        write(source(), url)


class SilentStore(AbstractFileSystem):
    """Cannot be reached, and does not say why."""

    protocol = "silent"

    def __init__(self, **options):
        raise TimeoutError


fsspec.register_implementation("silent", SilentStore, clobber=True)


def test_a_file_is_closed_before_it_is_moved_where_an_open_one_cannot_be(source, tmp_path, monkeypatch):
    """As Windows refuses to."""
    parts, move, new_part = [], Path.replace, exports._new_part

    def kept(path):
        parts.append(new_part(path))
        return parts[-1]

    def refuse_open(path, to):
        if not parts[-1][1].closed:
            raise PermissionError("the file is used by another process")
        return move(path, to)

    monkeypatch.setattr(exports, "_new_part", kept)
    monkeypatch.setattr(Path, "replace", refuse_open)
    monkeypatch.setattr(exports, "_MOVES_OPEN_FILES", False)
    write_parquet(source(), tmp_path / "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


# --- DuckDB ---


def test_a_table_is_replaced_and_partitions_replace_their_own_rows(source, tmp_path):
    path = tmp_path / "a.duckdb"
    for _ in range(2):
        write_duckdb(source(digits=SHORT_DIGITS), path, "raw.trades")
        for partition in ("2026-01-01", "2026-01-02"):
            write_duckdb(source(digits=SHORT_DIGITS), path, "by_day", partition_key=partition)
    with duckdb.connect(str(path)) as connection:
        assert connection.sql("SELECT count(*), sum(d), max(u) FROM raw.trades").fetchall() == [
            (40, Decimal("840.00"), str(2**256 - 1))
        ]
        counts = connection.sql("SELECT dagster_partition, count(*) FROM by_day GROUP BY 1 ORDER BY 1").fetchall()
        assert counts == [("2026-01-01", 40), ("2026-01-02", 40)]
        assert connection.sql("SELECT i FROM by_day LIMIT 1").fetchall() == [(timedelta(days=1),)]


def test_a_table_with_other_columns_is_told(source, tmp_path):
    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        connection.execute("CREATE TABLE t (x BIGINT, dagster_partition VARCHAR)")
    with pytest.raises(
        DuneResultError, match=r"main\.t has other columns: n BIGINT does not .*; x BIGINT does not come"
    ):
        write_duckdb(source(), tmp_path / "a.duckdb", "t", partition_key="x")
    with pytest.raises(
        DuneConfigurationError,
        match=r"has a column 'N' itself. Name it otherwise in the SQL, leave it out with columns",
    ):
        write_duckdb(source(), tmp_path / "a.duckdb", "t", partition_key="x", partition_column="N")
    with pytest.raises(DuneConfigurationError, match=r"schema\.name"):
        write_duckdb(source(), tmp_path / "a.duckdb", "a.b.c")
    (tmp_path / "text.duckdb").write_text("no database")
    with pytest.raises(DuneResultError, match=r"text.duckdb could not be written"):
        write_duckdb(source(), tmp_path / "text.duckdb", "t")
    assert (tmp_path / "text.duckdb").read_text() == "no database"


def test_what_a_table_refuses_is_told_and_leaves_it_as_it_was(source, tmp_path):
    path = tmp_path / "a.duckdb"
    write_duckdb(source(), path, "t", partition_key="x")
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM t")
        connection.execute("CREATE UNIQUE INDEX a_row_a_partition ON t (dagster_partition)")
    with pytest.raises(
        DuneResultError, match=r"a\.duckdb could not be written: Constraint Error.*The table is as it was"
    ):
        write_duckdb(source(), path, "t", partition_key="x")
    with duckdb.connect(str(path)) as connection:
        assert connection.sql("SELECT count(*) FROM t").fetchall() == [(0,)]


HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def test_another_process_is_waited_for_or_told(source, tmp_path):
    path = tmp_path / "a.duckdb"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DuneResultError, match=r"could not be written.*waited for, 0.2 s"):
            write_duckdb(source(), path, "t", wait_seconds=0.2)
        writer = threading.Thread(target=write_duckdb, args=(source(), path, "t"))
        writer.start()
        holder.stdin.close()
        writer.join(60)
    with duckdb.connect(str(path)) as connection:
        assert connection.sql("SELECT count(*) FROM t").fetchall() == [(40,)]


class RandomNumbers:
    """A source of 100,000 rows a batch, which cannot be compressed."""

    schema = pa.schema([("number", pa.int64())])

    def __init__(self, count):
        self.export, self.count = Export(), count

    def batches(self):
        numbers = pa.Array.from_buffers(pa.int64(), 100_000, [None, pa.py_buffer(random.Random(0).randbytes(800_000))])
        for _ in range(self.count):
            yield pa.record_batch([numbers], schema=self.schema)


@pytest.mark.parametrize("partition", [None, "b"])
def test_a_disk_that_is_full_for_duckdb_is_named_at_once(tmp_path, monkeypatch, partition):
    resource = pytest.importorskip("resource")
    path, limits = tmp_path / "a conflict.duckdb", resource.getrlimit(resource.RLIMIT_FSIZE)
    write_duckdb(RandomNumbers(1), path, "t", partition_key=partition and "a")
    copied = []

    def copy(*arguments):
        copied.append(arguments)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
        copy_rows(*arguments)

    copy_rows = duckdb_tables._copy
    monkeypatch.setattr(duckdb_tables, "_copy", copy)
    try:
        with pytest.raises(
            DuneResultError, match=r"could not be written: .*File too large.* The table is as it was\. Make room"
        ):
            write_duckdb(RandomNumbers(1), path, "t", partition_key=partition, wait_seconds=5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(copied) == 1
    with duckdb.connect(str(path)) as connection:
        assert connection.sql("SELECT count(*) FROM t").fetchall() == [(100_000,)]


def test_a_conflict_is_waited_for(source, tmp_path):
    """Of a table that somebody else in this process has begun to make."""
    path = tmp_path / "a.duckdb"
    with duckdb.connect(str(path)) as other:
        other.begin()
        other.execute("CREATE TABLE t (x BIGINT)")
        with pytest.raises(DuneResultError, match=r"conflict.*waited for, 0.2 s"):
            write_duckdb(source(), path, "t", wait_seconds=0.2)
        other.rollback()
        assert write_duckdb(source(), path, "t").rows == 40


def test_an_interrupt_while_duckdb_copies_is_an_interrupt(tmp_path, monkeypatch):
    is_begun = threading.Event()

    def copy(connection, *_):
        connection.register("rows", pa.table({"n": pa.nulls(50_000_000, pa.int64())}))
        is_begun.set()
        connection.execute("CREATE TABLE t AS SELECT random() AS n FROM rows")

    def interrupt():
        is_begun.wait(PATIENCE)
        press_ctrl_c()

    def copy_in_python(connection, *_):
        def batches():
            os.kill(os.getpid(), signal.SIGINT)  # while DuckDB calls Python, and makes an error of its own of it
            yield pa.record_batch({"n": [1]})

        reader = pa.RecordBatchReader.from_batches(pa.schema({"n": pa.int64()}), batches())
        connection.register("rows", reader)
        connection.execute("CREATE TABLE t AS FROM rows")

    threading.Thread(target=interrupt, daemon=True).start()
    for work in (copy, copy_in_python):
        monkeypatch.setattr(duckdb_tables, "_copy", work)
        with pytest.raises(KeyboardInterrupt):
            write_duckdb(RandomNumbers(1), tmp_path / "a.duckdb", "t")


@pytest.mark.parametrize("is_waiting", [False, True])
def test_what_was_interrupted_before_its_turn_is_not_written(tmp_path, monkeypatch, is_waiting):
    start = threading.Thread.start
    another_writer = duckdb_transactions._ONE_WRITER

    def start_and_interrupt(thread):
        start(thread)
        if thread.name == "dune-duckdb":
            raise KeyboardInterrupt

    waits = []

    def wait(futures, seconds):
        waits.append(seconds)
        if len(waits) == 1 and is_waiting:
            raise KeyboardInterrupt
        if another_writer.locked():
            another_writer.release()
        return really_wait(futures, seconds)

    if not is_waiting:
        monkeypatch.setattr(threading.Thread, "start", start_and_interrupt)
    monkeypatch.setattr(duckdb_transactions, "wait", wait)
    another_writer.acquire()
    with pytest.raises(KeyboardInterrupt):
        write_duckdb(RandomNumbers(1), tmp_path / "a.duckdb", "t")
    if another_writer.locked():
        another_writer.release()
    wait_until(lambda: not any(thread.name == "dune-duckdb" for thread in threading.enumerate()))
    with duckdb.connect(tmp_path / "a.duckdb") as connection:
        assert connection.sql("SHOW TABLES").fetchall() == []


def test_partitions_that_are_written_at_once_are_all_there(source, tmp_path):
    path, keys = tmp_path / "a.duckdb", [f"2026-01-0{n}" for n in range(1, 7)]
    writers = [
        threading.Thread(target=write_duckdb, args=(source(), path, "t"), kwargs={"partition_key": key}) for key in keys
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    with duckdb.connect(str(path)) as connection:
        found = connection.sql("SELECT dagster_partition, count(*) FROM t GROUP BY 1 ORDER BY 1").fetchall()
    assert found == [(key, 40) for key in keys]


# --- kills ---

EXPORT = """
import sys
from dagster_dune import DuneApiClient
from dagster_dune.frames import duckdb_tables, exports
from dagster_dune.paging import execution_pages
from dagster_dune.frames.duckdb_tables import write_duckdb
from dagster_dune.frames.exports import write_parquet
from dagster_dune.frames.results import open_reader
execution_pages.MAX_DATAPOINTS, exports.ROW_GROUP_ROWS = 40, 10
url, execution, folder = sys.argv[1:]
with DuneApiClient("key", url) as client:
    print("begin", flush=True)
    while True:
        write_parquet(open_reader(client, execution), folder + "/out.parquet")
        write_duckdb(open_reader(client, execution), folder + "/out.duckdb", "t")
"""


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_export_leaves_no_half_file(server, source, tmp_path, seed):
    moment = random.Random(seed).uniform(0, 0.8)
    command = [sys.executable, "-c", EXPORT, server.url, server.ID, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"begin\n"
        time.sleep(moment)  # the moment of the kill is what the test draws, and nothing waits for it
        process.send_signal(signal.SIGKILL)
    if (tmp_path / "out.parquet").exists():
        assert pq.read_table(tmp_path / "out.parquet").num_rows == 40
    if (tmp_path / "out.duckdb").exists():
        with duckdb.connect(str(tmp_path / "out.duckdb")) as connection:
            assert [connection.sql(f"SELECT count(*) FROM {t}").fetchall() for (t,) in connection.sql(
                "SELECT table_name FROM duckdb_tables()").fetchall()] in ([], [[(40,)]])  # fmt: skip
    write_parquet(source(), tmp_path / "out.parquet")
    assert isinstance(pq.read_table(tmp_path / "out.parquet"), pa.Table)
    assert list(tmp_path.glob(".*.part")) == []
