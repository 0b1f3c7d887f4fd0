"""`DuneIOManager`: results of Dune assets as typed arguments of Python assets.

Dagster's UI shows the docstring of the class, so that its example stands here.

Examples:
    >>> io = DuneIOManager(dune=DuneResource(api_key="key"))
    >>> io.uint256
    'text'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field, ValidationInfo, field_validator, model_validator

from dagster_dune._execution.data.asset_executions import ALLOW_MISSING, executions_of
from dagster_dune._execution.data.places import log_of, place_of
from dagster_dune._formatting import abbreviated
from dagster_dune._specs.arguments import known_settings
from dagster_dune.errors import DuneConfigurationError
from dagster_dune.metadata import expected_export_metadata, export_metadata
from dagster_dune.paging.options import ReadOptions
from dagster_dune.resource import DuneResource
from dagster_dune.run_config import VARIABLES

if TYPE_CHECKING:
    from dagster_dune.paging.options import Export

READ_OPTIONS = tuple(ReadOptions.__dataclass_fields__)
"""The keys in the metadata of an input that set options."""

MIN_SIMILARITY = 0.85
MISSING_SHOWN = 20


class DuneIOManager(dg.ConfigurableIOManager):
    """Gives a Python asset the result of a Dune asset as the frame that its argument is annotated with.

    It reads the execution that this run made of the asset, else that of the latest materialization, and of a
    partitioned asset the partitions that the reader's partition maps to, one after another. It stores nothing: Dune
    assets return nothing, and other assets keep their own IO manager. Metadata of the input sets what is read, as
    ``dg.AssetIn(metadata={"columns": ["day", "volume"], "filters": "volume > 0"})`` does, and with
    ``allow_missing_partitions`` leaves out partitions that were never materialized. See docs/data.md.
    """

    dune: DuneResource
    uint256: str = Field(
        default="text",
        description="How uint256 and int256 are held where the input does not say: text, decimal, float or binary.",
    )
    timestamps: str = Field(
        default="exact",
        description="Where the input does not say, exact: an error where one does not fit. cut: the nearest.",
    )
    max_bytes: int | None = Field(
        default=None, description="Refuse to read a result with more bytes, where the input does not say."
    )

    _known = model_validator(mode="before")(known_settings)

    @field_validator("uint256", "timestamps", "max_bytes", mode="before")
    @classmethod
    def _valid(cls, value: Any, info: ValidationInfo) -> Any:
        # A variable of the environment is checked when its value is taken.
        if not isinstance(value, VARIABLES):
            ReadOptions(**{info.field_name or "": value})
        return value

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Refuse to store anything.

        Raises:
            DuneConfigurationError: An asset that returns a value has this IO manager.
        """
        if obj is not None:
            raise DuneConfigurationError(
                f"DuneIOManager reads results of Dune, and cannot store the {type(obj).__name__} that "
                f"{context.asset_key.to_user_string() if context.has_asset_key else context.name} returns.",
                hint="Give that asset an IO manager of its own, or send the frame to Dune with build_dune_upload.",
            )

    def load_input(self, context: dg.InputContext) -> Any:
        """Read the result of an asset as its reader's annotation says.

        Raises:
            DuneConfigurationError: The annotation is no frame, the input is of no asset, or its metadata no option of
                reading.
            DuneResultError: There is no such result, or it cannot be read.
        """
        from dagster_dune.frames.results import get_result  # noqa: PLC0415  (pyarrow is slow to import)
        from dagster_dune.frames.targets import target_of  # noqa: PLC0415

        target = target_of(context.dagster_type.typing_type)
        if not context.has_asset_key:
            raise DuneConfigurationError(
                f"The input {context.name!r} is of no asset, and DuneIOManager reads results of Dune assets.",
                hint="Make the reader an asset, or read in it with DuneResource.get_result.",
            )
        name = context.asset_key.to_user_string()
        # Definitions.load_asset_value reads outside of runs, where an input has no name.
        options = self._options(context.definition_metadata or {}, context.name if context.has_input_name else name)
        partitions = context.asset_partition_keys if context.has_asset_partitions else None
        log = log_of(context)

        def tell_missing(missing: Sequence[str]) -> None:
            if log is not None:
                message = "%s is read without partitions that were never materialized, as %s of the input says: %s."
                log.warning(message, name, ALLOW_MISSING, abbreviated(missing, most=MISSING_SHOWN))

        with place_of(context) as place:
            executions = executions_of(
                place,
                context.asset_key,
                partition_keys=partitions,
                allow_missing=_allows_missing(context),
                on_missing=tell_missing,
            )

        def add(metadata: dict[str, Any]) -> None:
            # Dagster notes it for the event of the input, and then has no observation that is of several partitions.
            has_several = partitions is not None and len(partitions) != 1
            with suppress(Exception) if has_several else nullcontext():
                context.add_input_metadata(metadata)

        def begin(rows: int | None, bytes_: int | None) -> None:
            if target.is_stream:  # whose end comes after Dagster has told the event of the input
                add(expected_export_metadata(name, executions, rows, bytes_))

        def end(export: Export) -> None:
            if not target.is_stream:
                add(export_metadata(name, executions, export.rows, export.bytes))

        return get_result(
            self.dune.get_client(),
            executions,
            as_=context.dagster_type.typing_type,
            log=log,
            on_begin=begin,
            on_export=end,
            closes_client=True,
            **options,
        )

    def _options(self, metadata: Mapping[str, Any], name: str) -> dict[str, Any]:
        for key in metadata:
            if close := _similar_option(key):
                raise DuneConfigurationError(
                    f"The metadata of the input {name!r} has the key {key!r}, which is no option of reading.",
                    hint=f"Did you mean {close!r}? A key that is not for Dune may have a slash, as in my_tool/{key}.",
                )
        given = {key: metadata[key] for key in READ_OPTIONS if key in metadata}
        plain = {key: value.value if isinstance(value, dg.MetadataValue) else value for key, value in given.items()}
        return {"uint256": self.uint256, "timestamps": self.timestamps, "max_bytes": self.max_bytes} | plain


def _allows_missing(context: dg.InputContext) -> bool:
    """Return whether partitions without a materialization are left out, as by Dagster's own IO managers.

    Raises:
        DuneConfigurationError: The metadata has another value than True or False.
    """
    given = (context.definition_metadata or {}).get(ALLOW_MISSING, False)
    allows = given.value if isinstance(given, dg.MetadataValue) else given
    if not isinstance(allows, bool):
        raise DuneConfigurationError(f"{ALLOW_MISSING} in the metadata of an input must be a bool, not {allows!r}.")
    return allows


def _similar_option(key: str) -> str | None:
    """Return the option that a key is a misspelling of; None if it is an option, or unlike any option."""
    options = (*READ_OPTIONS, ALLOW_MISSING)
    if key in options or "/" in key:
        return None
    word = key.lower().replace("-", "_")
    begun = [option for option in options if option.startswith(f"{word}_") and len(option) < 2 * len(word)]
    close = get_close_matches(word, options, n=1, cutoff=MIN_SIMILARITY) + begun
    return close[0] if close else None
