"""Builds requests for the methods of the client, and reads lists page by page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from dagster_dune.api import models
from dagster_dune.api.errors import DuneServerError
from dagster_dune.errors import DuneConfigurationError

if TYPE_CHECKING:
    from dagster_dune.api.http.transport import Transport

PAGE_SIZE = 1000
QUERY_DIGITS = 18
MAX_PAGES = 1000
"""The limit of pages of a list: this library is not made for accounts with more than a million objects."""

WORD = re.compile(r"\w+")

AnswerT = TypeVar("AnswerT", bound=models.DuneModel)
PageT = TypeVar("PageT")


class Endpoints:
    """The ways to send a request. Paths are those after ``/api/``, without a slash before them."""

    @property
    def _transport(self) -> Transport:
        raise NotImplementedError

    def _read(self, answer: type[AnswerT], path: str, params: Mapping[str, Any] | None = None) -> AnswerT:
        return self._transport.send(answer, "GET", path, params=params)

    def _read_about(self, name: object, field: str, answer: type[AnswerT], path: str, **options: Any) -> AnswerT:
        """Read an answer about one object.

        Args:
            name: The id or name of the object.
            field: The field of the answer that may contain it.
            answer: The model of the answer.
            path: The path.
            options: See `Transport.send`.

        Raises:
            DuneServerError: The answer is about another object.
        """
        received = self._transport.send(answer, "GET", path, **options)
        received_name = getattr(received, field)
        if received_name is not None and str(received_name).strip().lower() != str(name).strip().lower():
            raise DuneServerError(
                f"it is about {received_name}, not about {name}",
                method="GET",
                path=f"/api/{path}",
                status=200,
                hint="Look at what stands between this machine and Dune: a proxy may keep answers.",
            )
        return received

    def _change(self, answer: type[AnswerT], method: str, path: str, body: Mapping[str, Any] | None = None) -> AnswerT:
        """Send a change that may be carried out twice."""
        return self._transport.send(answer, method, path, json=body)

    def _submit(
        self, answer: type[AnswerT], path: str, body: Mapping[str, Any] | None = None, hint: str = ""
    ) -> AnswerT:
        """Send a request that must not be carried out twice."""
        return self._transport.submit(answer, path, json=body, hint=hint)

    def _pages(
        self,
        path: str,
        read: Callable[[int], PageT],
        next_of: Callable[[int, PageT], int | None],
        max_pages: int = MAX_PAGES,
    ) -> Iterator[PageT]:
        """Read a list page by page, each page when it is iterated to.

        Args:
            path: The list's path, for errors.
            read: Reads the page that starts at an offset.
            next_of: Returns the offset of the next page, given an offset and its page; None or 0 after the last.
            max_pages: How many pages there may be.

        Raises:
            DuneServerError: The offsets do not increase, or the pages do not end.
        """
        offset = 0
        for _ in range(max_pages):
            page = read(offset)
            yield page
            following = next_of(offset, page)
            if not following:
                return
            if following <= offset:
                raise _endless(path, f"the page at offset {offset} says that the next one starts at {following}")
            offset = following
        raise _endless(path, f"there is still another page after {max_pages}")


def _endless(path: str, reason: str) -> DuneServerError:
    return DuneServerError(f"the list does not end: {reason}", method="GET", path=f"/api/{path}", status=200)


def segment(text: str) -> str:
    """Return an id or a name as a segment of a path."""
    if not text:
        raise DuneConfigurationError("An empty id or name was given to the Dune client.")
    try:
        return quote(text, safe="")
    except (UnicodeEncodeError, TypeError) as error:
        raise DuneConfigurationError(f"{text!r} can be no id or name on Dune: {error}.") from error


def query_number(query_id: object) -> int:
    """Return the number of a query, also if it is given as a text of digits.

    Raises:
        DuneConfigurationError: It is not an integer. A rounded number or a bool would name another query, at a cost.
    """
    is_number = isinstance(query_id, Integral | str) and re.fullmatch(f"[0-9]{{1,{QUERY_DIGITS}}}", str(query_id))
    if is_number and int(str(query_id)) > 0:
        return int(str(query_id))
    raise DuneConfigurationError(f"query_id must be the number of a query, not {query_id!r}.")


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def execution_options(
    performance: models.Performance | None, query_parameters: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the options of an execution for its request.

    Raises:
        DuneConfigurationError: The parameters are not a mapping.
    """
    if query_parameters is not None and not isinstance(query_parameters, Mapping):
        raise DuneConfigurationError(
            f"parameters must be a mapping of their names to values, not {query_parameters!r}.",
            hint='{"chain": "base"}, say.',
        )
    return given(performance=performance, query_parameters=dict(query_parameters) if query_parameters else None)


def comma_separated(names: Sequence[str] | None) -> str | None:
    """Return column names as Dune's options take them: in double quotes if they are not single words.

    Examples:
        >>> comma_separated(["day", "a, b", " x"])
        'day,"a, b"," x"'

    Raises:
        DuneConfigurationError: It is one text, of which each letter would be a name.
    """
    if not names:
        return None
    if isinstance(names, str):
        raise DuneConfigurationError(
            f"columns must be a list of names, not the text {names!r}.", hint=f"Write [{names!r}]."
        )
    return ",".join(name if WORD.fullmatch(name) else '"' + name.replace('"', '""') + '"' for name in names)
