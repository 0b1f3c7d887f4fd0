"""The pytest plugin of dagster-dune: `dune_emulator`, a local Dune, `dune_folder` of your queries, and `dune_replay`.

It is a module of its own, outside of the package: pytest imports it in every run of an environment that has
dagster-dune, and importing the package would import Dagster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dagster_dune.emulator.server import DuneEmulator


@pytest.fixture(scope="session")
def dune_emulator_settings() -> dict[str, Any]:
    """The settings of the session's emulator, as `DuneEmulator` takes them. Override it to change them."""
    return {}


@pytest.fixture(scope="session")
def dune_emulator_of_session(dune_emulator_settings: dict[str, Any]) -> Iterator[DuneEmulator]:
    """The session's emulator as the test before has left it. Use `dune_emulator` instead."""
    with _emulator_class()(**dune_emulator_settings) as emulator:
        yield emulator


@pytest.fixture
def dune_emulator(dune_emulator_of_session: DuneEmulator) -> DuneEmulator:
    """A local Dune with an empty account: one server a session, reset before each test."""
    dune_emulator_of_session.reset()
    return dune_emulator_of_session


@pytest.fixture
def dune_folder(dune_emulator: DuneEmulator, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | Path], DuneEmulator]:
    """A function that saves a folder of ``.sql`` files as the queries and matviews of `dune_emulator`.

    DUNE_API_BASE_URL and DUNE_API_KEY lead there until the test ends. Several folders may be saved.
    """

    def load(folder: str | Path) -> DuneEmulator:
        from dagster_dune.cli.emulator.folders import load_folder  # noqa: PLC0415  (slow to import)

        load_folder(dune_emulator, Path(folder))
        return _with_environment(dune_emulator, monkeypatch)

    return load


@pytest.fixture
def dune_replay(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., DuneEmulator]]:
    """A function that answers from a cassette of ``dagster-dune record`` until the test ends.

    It takes the file, and ``strict=False`` to let a local Dune answer what was not recorded. DUNE_API_BASE_URL and
    DUNE_API_KEY lead to it.
    """
    emulator_class = _emulator_class()
    with ExitStack() as stack:

        def replay(cassette: str | Path, *, strict: bool = True) -> DuneEmulator:
            emulator = stack.enter_context(emulator_class(cassette=cassette, strict=strict))
            return _with_environment(emulator, monkeypatch)

        yield replay


def _with_environment(emulator: DuneEmulator, monkeypatch: pytest.MonkeyPatch) -> DuneEmulator:
    monkeypatch.setenv("DUNE_API_BASE_URL", emulator.url)
    monkeypatch.setenv("DUNE_API_KEY", emulator.api_key)
    return emulator


def _emulator_class() -> type[DuneEmulator]:
    from dagster_dune.errors import DuneConfigurationError  # noqa: PLC0415

    try:
        from dagster_dune.emulator.server import DuneEmulator  # noqa: PLC0415  (heavy, and an extra)
    except DuneConfigurationError as error:
        pytest.fail(str(error), pytrace=False)
    return DuneEmulator
