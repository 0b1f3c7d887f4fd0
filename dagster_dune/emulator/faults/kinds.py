"""Models of the kinds of faults, which are bodies of `POST /_emulator/faults`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from dagster_dune.emulator.requests import Body

When = Literal["before", "after"]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
HeaderValue = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")]
NodeTarget = int | str
"""The id of a query, or the full name of a matview."""


# --- faults of requests ---


class Status(Body):
    """Another answer is sent, such as an error of a gateway, a rate limit or a page in HTML.

    Attributes:
        body: A text, or a value that is sent as JSON.
        headers: The headers except the length, which follows from the body.
        when: ``"after"`` if the request is carried out first.
    """

    kind: Literal["status"]
    status: int = Field(ge=200, le=599)
    body: Any = ""
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    when: When = "before"

    @field_validator("headers")
    @classmethod
    def _has_no_length(cls, headers: dict[str, str]) -> dict[str, str]:
        if {"content-length", "transfer-encoding"} & {name.lower() for name in headers}:
            raise ValueError("the length of the body cannot be given; use the fault truncated")
        return headers


class Reset(Body):
    """The connection is reset without an answer."""

    kind: Literal["reset"]
    when: When = "before"


class Delay(Body):
    """The request is delayed before it is carried out, or before it is answered."""

    kind: Literal["delay"]
    seconds: Seconds
    when: When = "before"


class Truncated(Body):
    """The request is carried out, but the connection ends in the middle of the answer."""

    kind: Literal["truncated"]
    when: ClassVar[When] = "after"


class Malformed(Body):
    """The request is carried out, but the answer has only half of the JSON, with a matching length."""

    kind: Literal["malformed"]
    when: ClassVar[When] = "after"


# --- faults of the status of a pipeline ---


class YoungPipeline(Body):
    """A pipeline is unknown (404) until it is some seconds old."""

    kind: Literal["young_pipeline"]
    seconds: Seconds
    when: ClassVar[When] = "before"


class WrongWord(Body):
    """A node has another status, or the pipeline itself if no node is given."""

    kind: Literal["wrong_word"]
    word: str
    node: NodeTarget | None = None
    when: ClassVar[When] = "after"


class LostNode(Body):
    """A node is missing from the answer."""

    kind: Literal["lost_node"]
    node: NodeTarget
    when: ClassVar[When] = "after"


class NullNodes(Body):
    """``node_executions`` is null."""

    kind: Literal["null_nodes"]
    when: ClassVar[When] = "after"


# --- faults of executions, in pipelines or on their own ---


class StuckNode(Body):
    """The execution starts and never ends, unless it is cancelled."""

    kind: Literal["stuck_node"]
    node: NodeTarget


class HeldNode(Body):
    """The execution starts, and continues when it is released."""

    kind: Literal["held_node"]
    node: NodeTarget


class SlowNode(Body):
    """The execution takes longer."""

    kind: Literal["slow_node"]
    node: NodeTarget
    seconds: Seconds


class FailingNode(Body):
    """The execution fails."""

    kind: Literal["failing_node"]
    node: NodeTarget
    message: str = "The execution failed on demand"


StatusFault = YoungPipeline | WrongWord | LostNode | NullNodes
RequestFault = Status | Reset | Delay | Truncated | Malformed | StatusFault
ExecutionFault = StuckNode | HeldNode | SlowNode | FailingNode
