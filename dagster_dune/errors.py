"""The base of every error that this library raises."""

from __future__ import annotations


class DuneError(Exception):
    """Something went wrong between Dagster and Dune.

    Attributes:
        hint: What to do next, in one or two sentences; empty where the message says it all.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{_with_full_stop(message)} {hint}" if hint else _without_double_stop(message))
        self.hint = hint


def _without_double_stop(message: str) -> str:
    """Remove a double full stop, since messages of other libraries often end with one."""
    return message[:-1] if message.endswith("..") and not message.endswith("...") else message


def _with_full_stop(message: str) -> str:
    message = _without_double_stop(message.rstrip())
    return message if message.endswith((".", "!", "?", ":", "\u2026")) else f"{message}."


class DuneConfigurationError(DuneError):
    """A setting is wrong: an empty key, an unsafe address, a negative duration."""


class DuneCatalogError(DuneError):
    """The catalog contradicts itself or Dune's rules: an unknown name, a cycle, a name twice."""


class DunePlanError(DuneError):
    """The selection of a run cannot become a pipeline: it is empty, too large or not what was asked for."""


class DuneResultError(DuneError):
    """The result of an execution cannot be read: nothing was materialized, or the run lost its trace."""


class DuneUploadError(DuneError):
    """A frame could not be written to Dune as it should; the message says what is there now and how to go on."""


class DunePipelineError(DuneError):
    """A pipeline was submitted and can no longer be followed; it may go on running on Dune."""


class DunePipelineTimeout(DunePipelineError):  # noqa: N818  (as TimeoutError has it)
    """A pipeline took longer than `run_timeout` allows."""
