"""What a killed writer left is removed by the next, and what others still write is not."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pytest

from dagster_dune.errors import DuneConfigurationError
from dagster_dune.frames import leftovers
from dagster_dune.frames.duckdb_tables import write_duckdb
from dagster_dune.frames.leftovers import temporary_folder
from dagster_dune.frames.uploads.tables import write_table
from dagster_dune.paging.options import Export

WRITER = """
import sys
from dagster_dune.frames.leftovers import temporary_folder
with temporary_folder() as folder:
    (folder / "rows.arrow").write_bytes(b"half")
    print(folder.name, flush=True)
    sys.stdin.read()
"""


class Rows:
    """A source of one row."""

    schema = pa.schema([("n", pa.int64())])

    def __init__(self, before=lambda: None):
        self.export, self.before = Export(), before

    def batches(self):
        self.before()
        yield pa.record_batch([pa.array([1])], schema=self.schema)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """That of temporary files."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path
    tempfile.tempdir = None


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.processes
@pytest.mark.parametrize("write", ["duckdb", "upload"])
def test_rows_of_a_killed_writer_go_with_the_next_one(client, folder, tmp_path_factory, write):
    command = [sys.executable, "-c", WRITER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as dead:
        left = dead.stdout.readline().strip()
        with temporary_folder() as own:
            assert names(folder) == sorted([left, own.name])  # it lives
            dead.kill()
            dead.wait()
            if write == "duckdb":
                seen = []
                rows = Rows(before=lambda: seen.extend(names(folder)))
                write_duckdb(rows, tmp_path_factory.mktemp("database") / "a.duckdb", "t")
                assert len(seen) == 2
                assert left not in seen
            else:
                write_table(client, pa.table({"n": [1]}), "dune.acme.t")
            assert [name for name in names(folder) if name.startswith("dagster-dune-rows-")] == [own.name]


def test_a_folder_goes_when_its_work_fails(folder):
    def fail():
        assert len(names(folder)) == 1
        raise KeyError

    with pytest.raises(KeyError):
        write_duckdb(Rows(before=fail), folder.with_suffix(".duckdb"), "t")
    assert names(folder) == []


@pytest.mark.parametrize("fcntl", [None, leftovers._fcntl])
def test_without_a_lock_age_decides(folder, monkeypatch, fcntl):
    """Such as on Windows; and of a writer that was killed before it had made its lock."""
    monkeypatch.setattr(leftovers, "_fcntl", fcntl)
    old = time.time() - leftovers.LEFTOVER_SECONDS - 60
    for name, age in (("dagster-dune-rows-old", old), ("dagster-dune-rows-new", None), ("others", old)):
        (folder / name).mkdir()
        if fcntl is None:
            (folder / name / "lock").touch()
        for path in (folder / name / "lock", folder / name):
            if age and path.exists():
                os.utime(path, (age, age))
    with temporary_folder() as own:
        assert names(folder) == sorted(["dagster-dune-rows-new", own.name, "others"])


def test_a_file_system_without_locks_is_written_to(folder, monkeypatch):
    class NoLocks:
        LOCK_EX = LOCK_NB = 0

        @staticmethod
        def flock(file, mode):
            raise OSError("No locks available")

    monkeypatch.setattr(leftovers, "_fcntl", NoLocks)
    with temporary_folder() as first, temporary_folder() as second:
        assert names(folder) == sorted([first.name, second.name])
    assert names(folder) == []


def test_what_was_taken_for_a_leftover_is_made_again(folder, monkeypatch):
    """The folder is removed after its lock was made, and before it was taken."""
    made = []

    def remove_the_first(file):
        made.append(file.name)
        if len(made) == 1:
            Path(file.name).unlink()
        return True

    monkeypatch.setattr(leftovers, "lock_new_file", remove_the_first)
    with temporary_folder() as own:
        assert made[1] == str(own / "lock")
        assert made[0] != made[1]


def test_a_folder_that_cannot_be_made_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with (
        pytest.raises(DuneConfigurationError, match=r"no folder can be made for them: .*gone.*Name a folder in TMPDIR"),
        temporary_folder(),
    ):
        pass
