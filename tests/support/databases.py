"""Database servers of one's own, as instances of production stand on: PostgreSQL and MariaDB, on loopback.

The servers come from packages of the operating system (`apt-get install postgresql mariadb-server`). They keep their
data in a folder that the test gives them, and listen on a port of their own.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

START_SECONDS = 120


class NoServer(Exception):  # noqa: N818
    """A server cannot be had here; the text says why."""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _program(name, *places):
    found = shutil.which(name) or next((str(path) for place in places for path in sorted(Path("/").glob(place))), None)
    if found is None:
        raise NoServer(f"There is no {name} here; on Debian or Ubuntu: apt-get install postgresql mariadb-server")
    return found


def _unprivileged(folder, user):
    """Give a folder to the server's own user: servers refuse to run as root. Returns how a command becomes theirs."""
    if os.getuid() != 0:
        return []
    try:
        pwd.getpwnam(user)
    except KeyError:
        raise NoServer(f"There is no user {user} here to run the server as") from None
    shutil.chown(folder, user)
    for parent in folder.parents:
        if parent.stat().st_uid == 0 and parent != Path("/") and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)  # only so that the server can walk to its folder
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "env", f"HOME={folder}"]


@contextmanager
def _running(command, folder, is_ready):
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoServer((folder / "server.log").read_text(errors="replace")[-1000:])
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(60)


class Database:
    """A server, which gives each instance a database of its own.

    Attributes:
        name: What the server is.
    """

    def __init__(self, name, execute, storage):
        self.name = name
        self._execute = execute
        self._storage = storage
        self._count = 0

    def storage(self):
        """A new, empty database, as the storage section of a dagster.yaml."""
        self._count += 1
        database = f"dagster_{os.getpid()}_{self._count}"
        self._execute(f"CREATE DATABASE {database}")
        return self._storage(database)


@contextmanager
def postgresql(folder):
    """Run a PostgreSQL server with its data in a folder."""
    psycopg2 = _client("psycopg2", "dagster_postgres")
    initdb = _program("initdb", "usr/lib/postgresql/*/bin/initdb")
    server = str(Path(initdb).with_name("postgres"))
    port, data = free_port(), folder / "data"
    folder.mkdir(parents=True, exist_ok=True)
    become = _unprivileged(folder, "postgres")
    made = [*become, initdb, "--pgdata", data, "--username=dagster", "--auth=trust", "--encoding=UTF8", "--no-sync"]
    _checked(made, folder)
    settings = ["listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=", "max_connections=300"]
    settings += ["fsync=off", "shared_buffers=32MB"]
    command = [*become, server, "-D", data, *(word for setting in settings for word in ("-c", setting))]

    def connect():
        return psycopg2.connect(host="127.0.0.1", port=port, user="dagster", dbname="postgres")

    def execute(statement):
        connection = connect()
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    def url(database):
        # SQLAlchemy 2.1 takes "postgresql://" to mean psycopg 3, and Dagster brings psycopg2.
        return f"postgresql+psycopg2://dagster@127.0.0.1:{port}/{database}"

    with _running(command, folder, lambda: _answers(connect)):
        yield Database(
            "PostgreSQL", execute, lambda database: f'storage:\n  postgres:\n    postgres_url: "{url(database)}"\n'
        )


@contextmanager
def mariadb(folder):
    """Run a MariaDB server with its data in a folder."""
    connector = _client("mysql.connector", "dagster_mysql")
    install, server = _program("mariadb-install-db"), _program("mariadbd", "usr/sbin/mariadbd")
    port, data = free_port(), folder / "data"
    folder.mkdir(parents=True, exist_ok=True)
    become = _unprivileged(folder, "mysql")
    _checked(
        [*become, install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"], folder
    )
    command = [*become, server, "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1"]
    command += [f"--socket={folder}/server.sock", f"--pid-file={folder}/server.pid", "--max-connections=300"]
    command += ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M"]

    def connect():
        return connector.connect(host="127.0.0.1", port=port, user="root")

    def execute(statement):
        connection = connect()
        connection.cursor().execute(statement)
        connection.close()

    def url(database):
        return f"mysql+mysqlconnector://root@127.0.0.1:{port}/{database}"

    with _running(command, folder, lambda: _answers(connect)):
        yield Database("MariaDB", execute, lambda database: f'storage:\n  mysql:\n    mysql_url: "{url(database)}"\n')


class Files:
    """SQLite, which Dagster uses where nothing is configured."""

    name = "SQLite"

    @staticmethod
    def storage():
        return ""


@contextmanager
def sqlite(folder):
    """No server."""
    yield Files()


DATABASES = {"SQLite": sqlite, "PostgreSQL": postgresql, "MariaDB": mariadb}


def _client(module, package):
    import importlib  # noqa: PLC0415

    try:
        importlib.import_module(package)
        return importlib.import_module(module)
    except ImportError as error:
        raise NoServer(f"{package} is not installed: pip install -e '.[dev]' ({error})") from error


def _checked(command, folder):
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    if done.returncode:
        raise NoServer(done.stderr[-1000:] or done.stdout[-1000:])


def _answers(connect):
    try:
        connect().close()
    except Exception:  # whatever the client raises while the server starts
        return False
    return True


@contextmanager
def instance_of(database, home):
    """An instance over a new database."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n" + database.storage())
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


# For fixtures. What needs a server is marked, and runs by `make test-databases`.
EACH_DATABASE = [pytest.param(name, marks=[] if name == "SQLite" else [pytest.mark.databases]) for name in DATABASES]


@contextmanager
def database_of_test(name):
    """A database for the tests of a module, or no tests where it cannot be had.

    Its folder is not one of pytest's: each session of pytest closes those to other users, and so to a running server.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            with DATABASES[name](Path(folder, "server")) as server:
                yield server
        except NoServer as why:
            pytest.skip(f"{name} cannot be had here: {why}")
