"""What all models share: tolerance, where nothing depends on a field, and strictness where something does."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticOmit, PydanticUseDefault

_TIER = r"^[A-Za-z0-9_.-]+$"

Performance = Annotated[str, Field(pattern=_TIER)]
"""An engine tier: ``small``, ``medium``, ``large`` or ``free``; which of them a plan has is the plan's affair.

A word that is not known here is passed on, since Dune may add tiers. See
https://docs.dune.com/api-reference/executions/endpoint/execute-query.
"""

KNOWN_TIERS = "small, medium, large, free"

T = TypeVar("T")
logger = logging.getLogger(__name__)


def is_tier(word: str) -> bool:
    """Whether a word can be the name of an engine tier, known here or not."""
    return re.match(_TIER, word) is not None


class DuneModel(BaseModel):
    """The base of every wire model: immutable, and tolerant of fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, defer_build=True)


# --- fields ---


def _or_default(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    try:
        return handler(value)
    except Exception as error:
        if value is not None:
            _tell(f"The field {info.field_name!r}", "taken as missing", _first(error))
        raise PydanticUseDefault from None


def _or_omitted(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    try:
        return handler(value)
    except Exception as error:
        _tell(f"An item of {info.field_name!r}", "left out", _first(error))
        raise PydanticOmit from None


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return type(error).__name__
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return ": ".join([*map(str, first["loc"]), first["msg"]])


@lru_cache(maxsize=256)
def _tell(what: str, consequence: str, reason: str) -> None:
    """Tell of an oddity, each once: they come with every answer."""
    logger.warning("%s in an answer of Dune's cannot be read, and is %s. %s.", what, consequence, reason)


def _in_utc(moment: datetime) -> datetime:
    """Dune's times are UTC, with or without saying so; so they can be compared with each other."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _as_text(value: Any) -> Any:
    """Take whatever stands where words were expected as words: an odd error text is still an error."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("message"), str):
        return value["message"]
    return json.dumps(value, ensure_ascii=False)


Lenient = Annotated[T, WrapValidator(_or_default)]
"""A field on which nothing depends: where it cannot be read, it has its default, which a warning tells once."""

Many = Annotated[tuple[T, ...], BeforeValidator(lambda value: () if value is None else value)]
"""A list that Dune may also leave out or give as null."""

Readable = Annotated[T, WrapValidator(_or_omitted)]
"""An item of a list that is left out where it cannot be read, which a warning tells; the others stay."""

Moment = Annotated[datetime, AfterValidator(_in_utc)]
"""A time, in UTC."""

Text = Annotated[str | None, BeforeValidator(_as_text)]
"""Words, or whatever else is put where words are expected."""

Words = Annotated[T, BeforeValidator(_as_text)]
"""The same, for other types of texts."""

Number = FiniteFloat

Charge = Annotated[FiniteFloat, Field(ge=0)]
"""Credits that something has cost. Were they negative, sums would let more be spent than a user allows."""


class Counted(DuneModel):
    """One page of a list that says how long it is, and not where its next page starts.

    Attributes:
        listed: How many items came, with those that cannot be read.
        total: How many items all pages have.
    """

    ITEMS: ClassVar[str]

    listed: int = 0
    total: Lenient[int | None] = None

    @model_validator(mode="before")
    @classmethod
    def _count(cls, answer: Any) -> Any:
        items = answer.get(cls.ITEMS) if isinstance(answer, dict) else None
        return answer | {"listed": len(items)} if isinstance(items, list) else answer

    def next_after(self, offset: int, page_size: int) -> int | None:
        """Where the page after this one starts; None if this is the last."""
        seen = offset + self.listed
        is_last = not self.listed or (self.listed < page_size if self.total is None else seen >= self.total)
        return None if is_last else seen
