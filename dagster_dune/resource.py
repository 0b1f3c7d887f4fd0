"""`DuneResource`: the configuration of a Dune account, and the run of a selection through one pipeline call."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakSet

import dagster as dg
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr, ValidationInfo, field_validator, model_validator

from dagster_dune._execution.data.result_methods import ResultMethods
from dagster_dune._execution.data.table_methods import TableMethods
from dagster_dune._execution.event_stream import DuneEvent, failure_of
from dagster_dune._specs.arguments import known_settings
from dagster_dune._specs.asset_set import DuneAssetSet
from dagster_dune.api.address import DEFAULT_BASE_URL, address_in_force, checked_base_url
from dagster_dune.api.client import DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT, DuneApiClient, checked_api_key
from dagster_dune.api.errors import DuneConnectionError, DuneRateLimitError, DuneServerError
from dagster_dune.api.http.retries import longest_submission
from dagster_dune.api.key import DEFAULT_VARIABLE, HiddenText, checked_variable
from dagster_dune.api.models.base import KNOWN_TIERS, is_tier
from dagster_dune.errors import DuneConfigurationError, DuneError, DunePipelineError
from dagster_dune.run_config import (
    VARIABLES,
    DuneRunConfig,
    PipelineForm,
    configs_of,
    form_of,
    overrides_of,
    resource_fields,
    setting_value,
    settings_of_run,
)

if TYPE_CHECKING:
    from dagster_dune._execution.settings import StepSettings
    from dagster_dune.pipeline.details import Details

RETRYABLE = (DuneConnectionError, DuneRateLimitError, DuneServerError, DunePipelineError)


def _checked_tier(performance: str) -> None:
    if not is_tier(performance):
        raise DuneConfigurationError(
            f"performance must be the name of a tier, not {performance!r}.", hint=f"Known tiers: {KNOWN_TIERS}."
        )


TEXT_CHECKS: dict[str, Callable[[str], object]] = {"base_url": checked_base_url, "performance": _checked_tier}


class DuneResource(ResultMethods, TableMethods, dg.ConfigurableResource[Any]):
    """An account of Dune, and how its pipelines are followed. All times are in seconds.

    Its key, however it is given, stands in no definition, run or log. What is set here is no default of a run's
    configuration, which can change all but the address and the text of the key; see docs/launchpad.md.

    Examples:
        >>> dune = DuneResource(api_key="key")
        >>> dune
        DuneResource(base_url=None)

    Raises:
        DuneConfigurationError: The key is empty, the address unsafe, a number out of range, or a setting unknown.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    api_key: str = Field(
        description="A key of the user or team that owns the queries, best given as EnvVar('DUNE_API_KEY').",
        repr=False,
        exclude=True,
        json_schema_extra={"dagster__is_secret": True},
    )
    base_url: str | None = Field(
        default=None,
        description=f"Where the API is. DUNE_API_BASE_URL where that is set, else {DEFAULT_BASE_URL}.",
    )
    timeout: float = Field(default=DEFAULT_TIMEOUT, description="How long one request may wait for its answer.")
    max_retries: int = Field(
        default=DEFAULT_MAX_RETRIES,
        description="How often a read is sent again. A submission only where Dune surely did not start it.",
    )
    performance: str | None = Field(
        default=None, description="The engine tier of objects that name none; the plan's default if unset."
    )
    poll_interval: float = Field(default=1.0, description="Between two status requests, after something changed.")
    max_poll_interval: float = Field(default=10.0, description="Between two status requests, after a long lull.")
    stall_timeout: float = Field(
        default=3600.0, description="How long no node may change before the run fails, leaving the pipeline to Dune."
    )
    poll_failure_tolerance: float = Field(
        default=600.0, description="How long status requests may fail before the run does."
    )
    details: bool = Field(
        default=True,
        description="Whether rows, columns, credits and times of each finished node are read (one request a node).",
    )
    details_timeout: float = Field(
        default=10.0, description="How long details may be waited for after the last event, or before a check of them."
    )
    reads_per_minute: int | None = Field(
        default=None, description="What the plan allows, which all runs of a process share; learned from Dune if unset."
    )
    resume: bool = Field(
        default=True, description="Whether a retry takes over the pipelines that earlier attempts have started."
    )
    resume_max_age: float = Field(default=86400.0, description="How old a pipeline may be that a retry takes over.")
    retry_failed_nodes: bool = Field(
        default=False,
        description="Whether the op's retry policy sends failed nodes again. Failed executions are charged too.",
    )
    cancel_on_termination: bool = Field(
        default=True, description="Whether executions are cancelled when the run is terminated or times out."
    )
    run_timeout: float | None = Field(
        default=None, description="How long a pipeline may take before it is cancelled; any time if unset."
    )
    max_nodes: int | None = Field(default=None, description="Refuse to run more assets than this at once.")

    _runs: WeakSet[Generator[DuneEvent]] = PrivateAttr(default_factory=WeakSet)

    _known = model_validator(mode="before")(known_settings)

    @field_validator("api_key", mode="plain")
    @classmethod
    def _hidden(cls, key: object) -> object:
        if isinstance(key, dg.EnvVar):  # its value is checked when it is taken
            checked_variable(key.env_var_name)
            return key
        text = key.get_secret_value() if isinstance(key, SecretStr) else key
        if not isinstance(text, str):
            said = "is missing" if text is None else f"must be a text, and is of the type {type(text).__name__}"
            raise DuneConfigurationError(
                f"The Dune API key (api_key) {said}.",
                hint="Pass EnvVar('DUNE_API_KEY'), a text, or a SecretStr.",
            )
        return HiddenText(checked_api_key(text), getattr(text, "variable", ""))

    @field_validator("base_url", "performance", mode="before")
    @classmethod
    def _valid(cls, text: object, info: ValidationInfo) -> object:
        # A variable of the environment is checked when its value is taken.
        if isinstance(text, str) and not isinstance(text, dg.EnvVar):
            TEXT_CHECKS[info.field_name or ""](text)
        return text

    @field_validator("timeout", "poll_interval", "max_poll_interval", "stall_timeout", "details_timeout", "run_timeout")
    @classmethod
    def _positive(cls, seconds: float | None, info: ValidationInfo) -> float | None:
        if seconds is not None and seconds <= 0:
            raise DuneConfigurationError(f"{info.field_name} must be a positive number of seconds, not {seconds}.")
        return seconds

    @field_validator("max_retries", "poll_failure_tolerance", "resume_max_age")
    @classmethod
    def _not_negative(cls, number: float, info: ValidationInfo) -> float:
        if number < 0:
            raise DuneConfigurationError(f"{info.field_name} must not be negative, but is {number}.")
        return number

    @field_validator("reads_per_minute", "max_nodes", mode="before")
    @classmethod
    def _at_least_one(cls, number: object, info: ValidationInfo) -> object:
        if isinstance(number, int) and not isinstance(number, VARIABLES) and number < 1:
            raise DuneConfigurationError(f"{info.field_name} must be at least 1, but is {number}.")
        return number

    def __repr__(self) -> str:
        return f"DuneResource(base_url={self.base_url!r})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise DuneConfigurationError(
            "A DuneResource cannot be pickled, since its key would stand in the file.",
            hint="Return results from assets, not the resource.",
        )

    @classmethod
    def configure_at_launch(cls, **settings: Any) -> DuneResource:  # type: ignore[override]  # no part is missing here
        """Return a resource whose key is that of DUNE_API_KEY, unless a run's configuration names another variable."""
        return cls(**{"api_key": dg.EnvVar(DEFAULT_VARIABLE), **settings})

    def get_resource_definition(self) -> dg.ResourceDefinition:  # type: ignore[override]  # with fewer defaults
        """Return the definition that Dagster takes: with none of this resource's values as defaults of a run."""
        return self._definition

    @cached_property
    def _definition(self) -> dg.ResourceDefinition:
        return dg.ResourceDefinition(
            self._of_run,
            config_schema=resource_fields(type(self), without=self.nested_resources),
            description=_description(type(self)),
        )

    def _of_run(self, context: dg.InitResourceContext) -> Any:
        """Return this resource with the settings of a run. Without a run and setup of a subclass, it needs no closing.

        So tests can build contexts with it without a with block.
        """
        if context.run or self._has_setup_or_teardown:
            return self._open_of_run(context)
        return self.from_resource_context(self._context_of_run(context))

    @property
    def _has_setup_or_teardown(self) -> bool:
        """Return whether a subclass overrides the setup or teardown of the resource."""
        base, own = dg.ConfigurableResource, type(self)
        return bool(
            self.nested_resources
            or own.yield_for_execution is not base.yield_for_execution
            or own.teardown_after_execution is not base.teardown_after_execution
        )

    @contextmanager
    def _open_of_run(self, context: dg.InitResourceContext) -> Iterator[Any]:
        """Yield this resource with the settings of a run, with the setup and teardown of Dagster's resources."""
        with self.from_resource_context_cm(self._context_of_run(context), self.nested_resources) as ready:
            try:
                yield ready
            finally:
                ready._close_runs()

    def _context_of_run(self, context: dg.InitResourceContext) -> dg.InitResourceContext:
        given = {name: getattr(self, name) for name in self.model_fields_set if name not in self.nested_resources}
        settings = settings_of_run(given, context.resource_config or {})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of Dagster's own, in its own method
            return context.replace_config(settings)

    def get_client(self) -> DuneApiClient:
        """Return a client of Dune's API with this resource's settings. Use it as a context manager.

        In a script, where Dagster has not done so, variables of the environment are read here.

        Raises:
            DuneConfigurationError: A variable is not set, or its value is none that the setting can have.
        """
        return self._client(self._setting("timeout"), self._setting("max_retries"))

    def _setting(self, name: str) -> Any:
        return setting_value(name, getattr(self, name))

    def _client(self, timeout: float, max_retries: int) -> DuneApiClient:
        address = checked_base_url(address_in_force(self._setting("base_url")))
        reads_per_minute = self._setting("reads_per_minute")
        return DuneApiClient(self._setting("api_key"), address, timeout, max_retries, reads_per_minute)

    def run(
        self,
        context: dg.AssetExecutionContext,
        *,
        config: DuneRunConfig | None = None,
        pipeline_form: PipelineForm = "nodes",
        allow_extra_refreshes: bool = False,
    ) -> Iterator[DuneEvent]:
        """Materialize the selected assets of this step through one pipelines/execute request.

        See https://docs.dune.com/api-reference/pipelines/endpoint/execute-pipeline.

        Args:
            context: The context of an asset definition made by `build_dune_assets` or `@dune_assets`.
            config: What is set for this run alone; it wins over everything else.
            pipeline_form: ``"nodes"`` sends the selection as a graph; ``"lineage"`` sends the one selected query, whose
                matviews Dune finds itself.
            allow_extra_refreshes: In the lineage form, whether Dune may refresh matviews that are not selected.

        Returns:
            An iterator: a MaterializeResult for each asset as soon as its node has completed, an AssetObservation for
            each that failed or was skipped, and an AssetCheckResult for each check that ran.

        Raises:
            Failure: An asset failed or was skipped, a check failed to run, a blocking check failed, Dune refused the
                pipeline, or it could not be followed.
        """
        events = self._events(context, config, pipeline_form, allow_extra_refreshes=allow_extra_refreshes)
        self._runs.add(events)
        return events

    def _close_runs(self) -> None:
        """Interrupt open runs. A termination does not reach `run` while Dagster stores an event."""
        for events in list(self._runs):
            events.close()

    def _events(
        self,
        context: dg.AssetExecutionContext,
        config: DuneRunConfig | None,
        pipeline_form: PipelineForm,
        *,
        allow_extra_refreshes: bool,
    ) -> Generator[DuneEvent]:
        from dagster_dune._execution.planning import plan_of_lineage, plan_of_nodes  # noqa: PLC0415
        from dagster_dune._execution.step import Step  # noqa: PLC0415  (code locations load quicker without)

        assets: DuneAssetSet | None = None
        try:
            with ExitStack() as stack:
                client = stack.enter_context(self.get_client())
                brief_client = stack.enter_context(self._client(min(self.timeout, self.details_timeout), max_retries=0))
                assets = DuneAssetSet.of(context)
                details = stack.enter_context(self._details_of(assets, brief_client)) if self.details else None
                configs = configs_of(context, config)
                overrides = overrides_of(configs, assets)
                step = Step(context, assets, client, brief_client, details, self._step_settings)
                tier, most = self.performance, self.max_nodes
                if form_of(configs, pipeline_form) == "lineage":
                    plan, send = plan_of_lineage(
                        client,
                        assets,
                        overrides,
                        performance=tier,
                        max_nodes=most,
                        allow_extra_refreshes=allow_extra_refreshes,
                        log=context.log,
                    )
                    yield from step.events(plan, send)
                else:
                    plan = plan_of_nodes(assets, overrides, performance=tier, max_nodes=most)
                    yield from step.events(plan)
        except DuneError as error:
            raise failure_of(error, retryable=isinstance(error, RETRYABLE), assets=assets) from error

    def _details_of(self, assets: DuneAssetSet, client: DuneApiClient) -> Details:
        from dagster_dune.pipeline.details import Details  # noqa: PLC0415

        needed = assets.checked_by_details
        return Details(client, self.details_timeout, lambda node: not node.check and node.sql_name in needed)

    @property
    def _step_settings(self) -> StepSettings:
        from dagster_dune._execution.settings import StepSettings  # noqa: PLC0415
        from dagster_dune.pipeline.run import Polling  # noqa: PLC0415

        polling = Polling(
            interval=self.poll_interval,
            max_interval=self.max_poll_interval,
            stall_timeout=self.stall_timeout,
            failure_tolerance=self.poll_failure_tolerance,
            timeout=self.run_timeout,
        )
        return StepSettings(
            polling=polling,
            resume=self.resume,
            resume_max_age=timedelta(seconds=self.resume_max_age),
            retry_failed_nodes=self.retry_failed_nodes,
            cancel_on_termination=self.cancel_on_termination,
            submission_seconds=longest_submission(self.timeout, self.max_retries),
        )


def _description(resource: type) -> str:
    """Return the docstring without its examples, which Dagster's UI shows where a run is configured."""
    return re.split(r"\n\n(?:Args|Attributes|Examples|Raises):\n", inspect.getdoc(resource) or "")[0]
