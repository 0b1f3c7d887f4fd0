"""Exports to object stores of each kind: whole or not there, whatever a store does with a file that is closed."""

from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.arrow import ArrowFSWrapper
from fsspec.implementations.local import LocalFileOpener, LocalFileSystem
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem
from result_server import ResultServer

from dagster_dune import DuneApiClient, DuneBadRequestError, DuneConfigurationError, DuneResultError
from dagster_dune.frames import exports
from dagster_dune.frames.exports import write_parquet
from dagster_dune.frames.results import open_reader
from dagster_dune.paging import execution_pages

OBJECTS: dict[str, bytes] = {}
SEEN: list[str] = []
FILES: list[AbstractBufferedFile] = []


class ClosingFile(AbstractBufferedFile):
    """Puts blocks, and completes the object of them when it is closed: transaction or not."""

    def _initiate_upload(self):
        SEEN.append("begin")
        FILES.append(self)
        self.blocks = []

    def _upload_chunk(self, final=False):
        SEEN.append("block")
        self.blocks.append(self.buffer.getvalue())
        if final and self.completes:
            OBJECTS[self.path] = b"".join(self.blocks)
        return True

    completes = True


class HoldingFile(ClosingFile):
    """Completes the object when it is told to."""

    completes = False

    def commit(self):
        OBJECTS[self.path] = b"".join(self.blocks)

    def discard(self):
        SEEN.append("discard")


class ClosingStore(AbstractFileSystem):
    """Neither holds completion back nor uploads a file in another way."""

    protocol = "closing"
    file_class = ClosingFile

    def _open(self, path, mode="rb", autocommit=True, **options):
        return self.file_class(self, path, mode, block_size=2**8, autocommit=autocommit)


class UploadingStore(ClosingStore):
    """Uploads a file in one request."""

    protocol = "uploading"

    def put_file(self, lpath, rpath, **options):
        SEEN.append("put")
        OBJECTS[self._strip_protocol(rpath)] = Path(lpath).read_bytes()


class HoldingStore(ClosingStore):
    """Holds completion back."""

    protocol = "holding"
    file_class = HoldingFile


class BoundStore(ClosingStore):
    """Holds completion back by methods of each file, not of its class."""

    protocol = "bound"

    def _open(self, path, mode="rb", autocommit=True, **options):
        file = super()._open(path, mode, autocommit)
        file.completes = False
        file.commit = lambda: HoldingFile.commit(file)
        file.discard = lambda: SEEN.append("discard")
        return file


class WrappingStore(UploadingStore):
    """Its files are in no transaction, like those of a store behind another one."""

    protocol = "wrapping"
    file_class = HoldingFile

    def open(self, path, mode="rb", **options):
        return self._open(path, mode)


class ConcurrentClosingStore(AsyncFileSystem):
    """As ClosingStore, of fsspec's other kind."""

    protocol = "concurrent-closing"

    def _open(self, path, mode="rb", autocommit=True, **options):
        return ClosingFile(self, path, mode, block_size=2**8, autocommit=autocommit)


class ConcurrentStore(ConcurrentClosingStore):
    """As UploadingStore, of fsspec's other kind."""

    protocol = "concurrent"

    async def _put_file(self, lpath, rpath, **options):
        SEEN.append("put")
        OBJECTS[self._strip_protocol(rpath)] = Path(lpath).read_bytes()


class TruncatingStore(ArrowFSWrapper):
    """What hdfs:// is, with a local disk behind it: a file is truncated when it is opened."""

    protocol = "truncating"

    def __init__(self, **options):
        super().__init__(pyarrow.fs.LocalFileSystem(), **options)


class TemporaryFilesStore(LocalFileSystem):
    """Keeps what is written in a temporary file from when it is opened until it is committed, like sftp://."""

    protocol = "temporary"

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("temporary://"))

    def _open(self, path, mode="rb", block_size=None, **options):
        file = LocalFileOpener(path, mode, fs=self, **options)
        SEEN.append(file.temp)
        return file


STORES = [
    ConcurrentClosingStore,
    ConcurrentStore,
    ClosingStore,
    UploadingStore,
    HoldingStore,
    BoundStore,
    WrappingStore,
]
for store in STORES:
    fsspec.register_implementation(store.protocol, store, clobber=True)
    store.root_marker = ""
for store in (TruncatingStore, TemporaryFilesStore):
    fsspec.register_implementation(store.protocol, store, clobber=True)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(execution_pages, "MAX_DATAPOINTS", 10)
    monkeypatch.setattr(exports, "ROW_GROUP_ROWS", 10)
    OBJECTS.clear()
    SEEN.clear()
    FILES.clear()
    with ResultServer(["n"], ["bigint"], [[str(n)] for n in range(40)]) as running:
        yield running


@pytest.fixture
def source(server):
    with DuneApiClient("key", server.url, max_retries=0) as client:
        yield lambda: open_reader(client, server.ID, concurrency=1)


@pytest.mark.parametrize("protocol", ["uploading", "holding", "bound", "wrapping", "concurrent"])
def test_an_object_is_whole_or_not_there(server, source, protocol):
    write_parquet(source(), f"{protocol}://bucket/out.parquet")
    assert pq.read_table(pa.BufferReader(OBJECTS.pop("bucket/out.parquet"))).num_rows == 40
    SEEN.clear()

    def fail(path, options, answer):
        if options.get("offset") == "20":
            answer.update(status=400, body=b'{"error": "no"}')
            begun.extend(SEEN)

    begun = []
    server.change = fail
    with pytest.raises(Exception, match="no"):
        write_parquet(source(), f"{protocol}://bucket/out.parquet")
    assert OBJECTS == {}
    begun += ["discard"] * (protocol in ("holding", "bound"))
    assert begun == SEEN  # nothing is sent after the error


@pytest.mark.parametrize("protocol", ["closing", "concurrent-closing"])
def test_a_store_that_shows_halves_is_refused_before_a_page_is_read(server, source, protocol):
    reader = source()
    server.requests.clear()
    with pytest.raises(DuneConfigurationError, match=rf"{protocol}://bucket/x could be seen.* files of .*ClosingStore"):
        write_parquet(reader, f"{protocol}://bucket/x")
    assert (server.requests, SEEN, OBJECTS) == ([], [], {})


@pytest.mark.parametrize("before", [None, b"what was there"])
def test_a_store_that_truncates_what_it_opens_is_refused_and_left_as_it_was(server, source, tmp_path, before):
    path = tmp_path / "out.parquet"
    if before is not None:
        path.write_bytes(before)
    reader = source()
    server.requests.clear()
    with pytest.raises(DuneConfigurationError, match=r"out\.parquet could be seen.* files of TruncatingStore"):
        write_parquet(reader, f"truncating://{path}")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == (
        {} if before is None else {"out.parquet": before}
    )
    assert server.requests == []


def test_a_failure_leaves_what_was_there_in_a_store_that_uploads_files(server, source, tmp_path):
    """A folder of another store truncates what it opens too, and uploads files as that store does."""
    path, options = tmp_path / "out.parquet", {"dir": {"path": str(tmp_path)}}
    url = f"dir://out.parquet::file://{tmp_path}"
    path.write_bytes(b"what was there")
    server.change = lambda path, options, answer: (
        answer.update(status=400, body=b'{"error": "no"}') if options.get("offset") == "20" else None
    )
    with pytest.raises(DuneBadRequestError):
        write_parquet(source(), url, storage_options=options)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"out.parquet": b"what was there"}
    server.change = lambda path, options, answer: None
    write_parquet(source(), url, storage_options=options)
    assert (pq.read_table(path).num_rows, [file.name for file in tmp_path.iterdir()]) == (40, ["out.parquet"])


def test_a_store_of_temporary_files_keeps_none(source, tmp_path):
    write_parquet(source(), f"temporary://{tmp_path}/out.parquet")
    assert (pq.read_table(tmp_path / "out.parquet").num_rows, len(list(tmp_path.iterdir()))) == (40, 1)
    assert [temporary for temporary in SEEN if Path(temporary).exists()] == []


@pytest.mark.parametrize("protocol", ["uploading", "holding"])
def test_an_upload_that_fails_is_named(source, protocol, monkeypatch):
    def refuse(*args, **options):
        raise RuntimeError("the bucket is gone")

    monkeypatch.setattr(UploadingStore, "put_file", refuse)
    monkeypatch.setattr(HoldingFile, "commit", refuse)
    with pytest.raises(DuneResultError, match=r"bucket/x cannot be written: the bucket is gone"):
        write_parquet(source(), f"{protocol}://bucket/x")
    assert OBJECTS == {}


def test_no_footer_is_written_after_an_error(server, source):
    """What has been written until then is no Parquet file, whoever looks at it."""
    server.change = lambda path, options, answer: (
        answer.update(status=400, body=b'{"error": "no"}') if options.get("offset") == "20" else None
    )
    with pytest.raises(Exception, match="no"):
        write_parquet(source(), "holding://bucket/out.parquet")
    (file,) = FILES
    written = b"".join(file.blocks) + file.buffer.getvalue()
    assert (written[:4], written[-4:] == b"PAR1") == (b"PAR1", False)
    with pytest.raises(pa.ArrowInvalid):
        pq.read_table(pa.BufferReader(written))
