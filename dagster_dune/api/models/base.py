"""The base of all models, and the types of their fields: lenient if nothing depends on a field, else strict."""

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
"""An engine tier: ``small``, ``medium``, ``large`` or ``free``. Which of them are available depends on the plan.

Other words are accepted too, since Dune may add tiers. See
https://docs.dune.com/api-reference/executions/endpoint/execute-query.
"""

KNOWN_TIERS = "small, medium, large, free"

T = TypeVar("T")
logger = logging.getLogger(__name__)


def is_tier(word: str) -> bool:
    """Whether a word can be the name of an engine tier, also of an unknown one."""
    return re.match(_TIER, word) is not None


class DuneModel(BaseModel):
    """The base of every wire model. It is immutable, and ignores unknown fields."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, defer_build=True)


# --- fields ---


def _or_default(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    try:
        return handler(value)
    except Exception as error:
        if value is not None:
            _warn_once(f"The field {info.field_name!r}", "taken as missing", _first_error(error))
        raise PydanticUseDefault from None


def _or_omitted(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    try:
        return handler(value)
    except Exception as error:
        _warn_once(f"An item of {info.field_name!r}", "left out", _first_error(error))
        raise PydanticOmit from None


def _first_error(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return type(error).__name__
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return ": ".join([*map(str, first["loc"]), first["msg"]])


@lru_cache(maxsize=256)
def _warn_once(what: str, consequence: str, reason: str) -> None:
    """Log a warning about a part of an answer once, since it would come with every answer."""
    logger.warning("%s in an answer of Dune's cannot be read, and is %s. %s.", what, consequence, reason)


def _in_utc(moment: datetime) -> datetime:
    """Return a time of Dune's in UTC. One without a time zone is in UTC already."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _as_text(value: Any) -> Any:
    """Return any value as a text: an error message of an unexpected type is still an error."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("message"), str):
        return value["message"]
    return json.dumps(value, ensure_ascii=False)


Lenient = Annotated[T, WrapValidator(_or_default)]
"""A field on which nothing depends: if it cannot be read, it has its default, and a warning is logged once."""

Many = Annotated[tuple[T, ...], BeforeValidator(lambda value: () if value is None else value)]
"""A list that may also be missing or null."""

Readable = Annotated[T, WrapValidator(_or_omitted)]
"""An item of a list that is left out if it cannot be read, with a warning; the other items are kept."""

Moment = Annotated[datetime, AfterValidator(_in_utc)]
"""A time, in UTC."""

Text = Annotated[str | None, BeforeValidator(_as_text)]
"""A text, or any other value as a text."""

Words = Annotated[T, BeforeValidator(_as_text)]
"""The same, for other types of texts."""

Number = FiniteFloat

Charge = Annotated[FiniteFloat, Field(ge=0)]
"""A cost in credits. Negative costs are refused: with them, sums would allow more than a user's limit."""


class Counted(DuneModel):
    """One page of a list whose answer contains the total of items, but not the offset of the next page.

    Attributes:
        listed: How many items the page has, including those that cannot be read.
        total: How many items all pages have together.
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
        """Return the offset of the page after this one; None if this is the last."""
        seen = offset + self.listed
        is_last = not self.listed or (self.listed < page_size if self.total is None else seen >= self.total)
        return None if is_last else seen
