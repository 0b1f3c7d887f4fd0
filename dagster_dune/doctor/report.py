"""Collects the findings of the doctor, and saves them without keys, names, SQL and rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dagster_dune.doctor.assumptions import ASSUMPTIONS, BY_ID
from dagster_dune.doctor.exchanges import Exchange
from dagster_dune.version import __version__


class Verdict(StrEnum):
    """Whether an assumption holds."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does not hold"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Fact:
    """A fact about the account or the connection to it.

    Attributes:
        what: The label.
        said: The text.
        is_private: Whether it contains names, so that it is never saved.
        is_trouble: Whether the user has to act on it.
    """

    what: str
    said: str
    is_private: bool = False
    is_trouble: bool = False


@dataclass(frozen=True)
class Finding:
    """The verdict on one assumption.

    Attributes:
        id: The id of the assumption.
        verdict: The verdict.
        seen: The observation, or the reason why it was not tried, without names of the account.
    """

    id: str
    verdict: Verdict
    seen: str

    @property
    def changes(self) -> str:
        """The consequence if the assumption does not hold; empty otherwise."""
        return BY_ID[self.id].changes if self.verdict is Verdict.DOES_NOT_HOLD else ""

    @property
    def setting(self) -> str:
        """The code to paste if the assumption does not hold; empty otherwise."""
        return BY_ID[self.id].setting if self.verdict is Verdict.DOES_NOT_HOLD else ""


@dataclass
class Report:
    """All findings of one run.

    Attributes:
        facts: Facts about the account and the connection to it.
        findings: The findings by the ids of their assumptions.
        exchanges: All requests and their answers.
        failure: Why the checks could not be run; empty if they could.
    """

    facts: list[Fact] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)
    exchanges: list[Exchange] = field(default_factory=list)
    failure: str = ""

    def fact(self, what: str, said: str, *, is_private: bool = False, is_trouble: bool = False) -> None:
        """Add a fact."""
        self.facts.append(Fact(what, said, is_private, is_trouble))

    def holds(self, id_: str, seen: str) -> None:
        """Add the finding that an assumption holds, unless there is another verdict already."""
        if id_ not in self.findings or self.findings[id_].verdict is Verdict.NOT_TRIED:
            self._add(id_, Verdict.HOLDS, seen)

    def does_not_hold(self, id_: str, seen: str) -> None:
        """Add the finding that an assumption does not hold."""
        self._add(id_, Verdict.DOES_NOT_HOLD, seen)

    def judge(self, id_: str, holds: bool, seen: str) -> None:
        """Add the finding that an assumption holds or does not hold."""
        (self.holds if holds else self.does_not_hold)(id_, seen)

    def not_tried(self, id_: str, reason: str) -> None:
        """Add the reason why an assumption was not tried, unless it has a finding."""
        if id_ not in self.findings:
            self._add(id_, Verdict.NOT_TRIED, reason)

    def _add(self, id_: str, verdict: Verdict, seen: str) -> None:
        self.findings[id_] = Finding(BY_ID[id_].id, verdict, seen)

    def close(self, *, executes: bool) -> None:
        """Add the missing findings as not tried, and put all findings into the order of the registry."""
        for assumption in ASSUMPTIONS:
            if assumption.tried_by == "nothing":
                self.not_tried(assumption.id, assumption.changes)
            elif executes or assumption.tried_by == "reads":
                self.not_tried(assumption.id, "what it takes did not come about")
            else:
                self.not_tried(assumption.id, "needs doctor --execute")
        self.findings = {assumption.id: self.findings[assumption.id] for assumption in ASSUMPTIONS}

    @property
    def has_tried(self) -> bool:
        """Whether any assumption was tried."""
        return any(finding.verdict is not Verdict.NOT_TRIED for finding in self.findings.values())

    @property
    def exit_code(self) -> int:
        """0 if all tried assumptions hold, 1 if one does not, 2 if the checks could not be run."""
        if self.failure:
            return 2
        broken = any(finding.verdict is Verdict.DOES_NOT_HOLD for finding in self.findings.values())
        return 1 if broken else 0

    def as_json(self) -> dict[str, Any]:
        """Return all findings, without exchanges, for the user who runs the doctor."""
        return {
            "version": __version__,
            "failure": self.failure or None,
            "facts": [{"what": fact.what, "said": fact.said, "is_trouble": fact.is_trouble} for fact in self.facts],
            "assumptions": [_nonempty_fields(finding) for finding in self.findings.values()],
            "exit_code": self.exit_code,
        }

    def to_save(self) -> dict[str, Any]:
        """Return what can be shared with others."""
        facts = [
            {"what": fact.what, "said": "(left out)" if fact.is_private else fact.said, "is_trouble": fact.is_trouble}
            for fact in self.facts
        ]
        failure = self.failure and "it could not do its work; the last exchange says more"
        exchanges = [exchange.shown() for exchange in self.exchanges]
        return self.as_json() | {"failure": failure or None, "facts": facts, "exchanges": exchanges}


def _nonempty_fields(finding: Finding) -> Mapping[str, str]:
    shown = {
        "id": finding.id,
        "verdict": finding.verdict.value,
        "assumption": BY_ID[finding.id].says,
        "seen": finding.seen,
        "changes": finding.changes,
        "setting": finding.setting,
    }
    return {name: text for name, text in shown.items() if text}
