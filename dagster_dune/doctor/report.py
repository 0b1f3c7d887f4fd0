"""The findings of the doctor, and how they are saved: without keys, names, SQL and rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dagster_dune.doctor.assumptions import ASSUMPTIONS, BY_ID
from dagster_dune.doctor.exchanges import Exchange
from dagster_dune.version import __version__


class Verdict(StrEnum):
    """What can be said of an assumption."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does not hold"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Fact:
    """Something about the account or the way to it that is no assumption.

    Attributes:
        what: A few words.
        said: What was found.
        is_private: Whether it names somebody, so that it is never saved.
        is_trouble: Whether something has to be done about it.
    """

    what: str
    said: str
    is_private: bool = False
    is_trouble: bool = False


@dataclass(frozen=True)
class Finding:
    """The verdict on one assumption.

    Attributes:
        id: The assumption's.
        verdict: The verdict.
        seen: What was seen, or why it could not be tried. It names nothing of the account's.
    """

    id: str
    verdict: Verdict
    seen: str

    @property
    def changes(self) -> str:
        """What changes, where it does not hold."""
        return BY_ID[self.id].changes if self.verdict is Verdict.DOES_NOT_HOLD else ""

    @property
    def setting(self) -> str:
        """What to paste, where it does not hold."""
        return BY_ID[self.id].setting if self.verdict is Verdict.DOES_NOT_HOLD else ""


@dataclass
class Report:
    """Everything that was found.

    Attributes:
        facts: About the account and the way to it.
        findings: By the assumption's id.
        exchanges: Every request and its answer, as they may be shown to others.
        failure: Why the doctor could not do its work; empty where it could.
    """

    facts: list[Fact] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)
    exchanges: list[Exchange] = field(default_factory=list)
    failure: str = ""

    def fact(self, what: str, said: str, *, is_private: bool = False, is_trouble: bool = False) -> None:
        """Note a fact."""
        self.facts.append(Fact(what, said, is_private, is_trouble))

    def holds(self, id_: str, seen: str) -> None:
        """Note that an assumption holds, unless it was seen not to before."""
        if id_ not in self.findings or self.findings[id_].verdict is Verdict.NOT_TRIED:
            self._note(id_, Verdict.HOLDS, seen)

    def does_not_hold(self, id_: str, seen: str) -> None:
        """Note that an assumption does not hold."""
        self._note(id_, Verdict.DOES_NOT_HOLD, seen)

    def judge(self, id_: str, holds: bool, seen: str) -> None:
        """Note the one or the other."""
        (self.holds if holds else self.does_not_hold)(id_, seen)

    def not_tried(self, id_: str, reason: str) -> None:
        """Note why an assumption could not be tried, unless it was."""
        if id_ not in self.findings:
            self._note(id_, Verdict.NOT_TRIED, reason)

    def _note(self, id_: str, verdict: Verdict, seen: str) -> None:
        self.findings[id_] = Finding(BY_ID[id_].id, verdict, seen)

    def close(self, *, executes: bool) -> None:
        """Say of the assumptions that were not tried why not, and put all into the order of the registry."""
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
        """Whether anything was found out of any assumption."""
        return any(finding.verdict is not Verdict.NOT_TRIED for finding in self.findings.values())

    @property
    def exit_code(self) -> int:
        """0 where all that was tried holds, 1 where something does not, 2 where the doctor could not do its work."""
        if self.failure:
            return 2
        broken = any(finding.verdict is Verdict.DOES_NOT_HOLD for finding in self.findings.values())
        return 1 if broken else 0

    def as_json(self) -> dict[str, Any]:
        """Everything but the exchanges, for whoever runs the doctor."""
        return {
            "version": __version__,
            "failure": self.failure or None,
            "facts": [{"what": fact.what, "said": fact.said, "is_trouble": fact.is_trouble} for fact in self.facts],
            "assumptions": [_shown(finding) for finding in self.findings.values()],
            "exit_code": self.exit_code,
        }

    def to_save(self) -> dict[str, Any]:
        """Everything that others may see."""
        facts = [
            {"what": fact.what, "said": "(left out)" if fact.is_private else fact.said, "is_trouble": fact.is_trouble}
            for fact in self.facts
        ]
        failure = self.failure and "it could not do its work; the last exchange says more"
        exchanges = [exchange.shown() for exchange in self.exchanges]
        return self.as_json() | {"failure": failure or None, "facts": facts, "exchanges": exchanges}


def _shown(finding: Finding) -> Mapping[str, str]:
    shown = {
        "id": finding.id,
        "verdict": finding.verdict.value,
        "assumption": BY_ID[finding.id].says,
        "seen": finding.seen,
        "changes": finding.changes,
        "setting": finding.setting,
    }
    return {name: text for name, text in shown.items() if text}
