"""`DuneComponent`: the assets of a folder, a document or an account, configured in YAML or Python.

There is no ``from __future__ import annotations`` here: Dagster makes the schema of the YAML from the annotations.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import dagster as dg
from dagster.components import DefsStateConfig, DefsStateConfigArgs, ResolvedDefsStateConfig
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from dagster_dune.assets import DEFAULT_NAME, DEFAULT_POOL, DuneEvents
from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.names import Reference
from dagster_dune.catalog.selection import UnmatchedPatternError, warn_of_exclude
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.catalog.sources.left_out import LeftOut, checks_that_fit
from dagster_dune.catalog.unknown_names import unknown_name_warnings_deferred, warn_of_unknown_names
from dagster_dune.components.account_reader import DEFAULT_TIME_LIMIT, read_account
from dagster_dune.components.automation import automation_of
from dagster_dune.components.fields import (
    DocumentPath,
    FolderPath,
    ResolvedBackfillPolicy,
    ResolvedChecks,
    ResolvedDuneResource,
    ResolvedName,
    ResolvedOp,
    ResolvedPipelineForm,
    ResolvedPool,
    ResolvedQueryViews,
    ResolvedRefreshSensor,
    ResolvedRetryPolicy,
    ResolvedSchedules,
    ResolvedSeconds,
    positive_seconds,
    refuse_literal_key,
    shared_resource,
)
from dagster_dune.components.scaffolder import DuneScaffolder
from dagster_dune.components.shared_assets import python_asset_keys, siblings, without_assets_of_others
from dagster_dune.components.state import (
    catalog_of_files,
    merged_catalog,
    read_state,
    refreshed,
    selected_names,
    write_state,
)
from dagster_dune.components.translation import ResolvedTranslation, SpecTranslator
from dagster_dune.components.yaml_errors import FieldLocations, build_exact_schemas, refuse_unset_variables
from dagster_dune.definitions import build_dune_definitions, without_excluded
from dagster_dune.errors import DuneCatalogError, DuneConfigurationError, DuneError
from dagster_dune.resource import DuneResource
from dagster_dune.run_config import DuneRunConfig
from dagster_dune.translator import DagsterDuneTranslator, spec_of

logger = logging.getLogger(__name__)


@dg.scaffold_with(DuneScaffolder)
class DuneComponent(dg.StateBackedComponent, dg.Model, dg.Resolvable):
    """Dune queries and materialized views as assets. Whatever of them is selected runs through one pipeline call.

    Name at least one source: **queries**, a folder of `.sql` files; **document**, what `dagster-dune catalog pull` has
    written; **account**, your account on Dune. Your API key is read from the environment variable `DUNE_API_KEY`, or
    from the one that `resource.api_key_env` names, and is never written here.

    In YAML, paths are relative to the file; in Python, to the working directory. An account is read once a load of the
    code location, and never where runs and steps load it again.

    Subclasses may override `get_asset_spec`, to change how an object looks as an asset, and `execute`, to do something
    before or after the assets are materialized.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    queries: FolderPath = Field(default=None, description="A folder of .sql files.")
    document: DocumentPath = Field(
        default=None,
        description="What dagster-dune catalog pull wrote. With account, only what has changed since is read, names "
        "stay as the document has them, and it is used where the account cannot be read.",
    )
    account: bool = Field(default=False, description="Whether the account is read, once a load of the code location.")
    select: list[str | int] | str | int | None = Field(
        default=None,
        description="What to read of the account, where there is one; else which objects become assets.",
    )
    exclude: list[str | int] | str | int = Field(default_factory=list, description="What to leave out of that.")
    strict: bool = Field(
        default=False,
        description="Whether what would be left out with a warning, such as a file with a wrong header, is an error.",
    )
    time_limit: ResolvedSeconds = Field(
        default=DEFAULT_TIME_LIMIT,
        description="The seconds that reading the account may take. Dagster gives a code location 180 to load.",
    )
    max_age: ResolvedSeconds = Field(
        default=None, description="The seconds after which a document is old enough for a warning."
    )
    resource: ResolvedDuneResource = Field(
        default_factory=shared_resource,
        description="The account. None where the code location has a resource of this key already.",
    )
    resource_key: str = Field(default="dune", description="The key of the resource.")
    upstream_tables: bool = Field(
        default=True, description="Whether what the assets read, and none of them makes, is shown as external assets."
    )
    upstream_exclude: list[str | int] | str | int = Field(
        default_factory=list,
        description="Names or globs of what is no external asset, because the code location makes it elsewhere.",
    )
    translator: dg.Injected[DagsterDuneTranslator | None] = Field(
        default=None, description="How objects look as assets."
    )
    translation: ResolvedTranslation = Field(
        default=None, description="What to change of each asset; obj is the matview, query or reference."
    )
    name: ResolvedName = Field(
        default=DEFAULT_NAME, description="The name of the step; one that no other component has."
    )
    pool: ResolvedPool = Field(default=DEFAULT_POOL, description="The pool that bounds how many pipelines run at once.")
    io_manager_key: str | None = Field(
        default=None, description="The key of the DuneIOManager that reads results for Python assets."
    )
    op: ResolvedOp = Field(
        default_factory=dict,
        description="Name, tags, description, pool and policies of the step. Wins over the fields of the same meaning.",
    )
    op_tags: dict[str, Any] | None = Field(default=None, description="Further tags of the step.")
    retry_policy: ResolvedRetryPolicy = Field(default=None, description="When Dagster tries the step again.")
    backfill_policy: ResolvedBackfillPolicy = Field(default=None, description="How many runs a backfill makes.")
    query_views: ResolvedQueryViews = Field(
        default="assets", description="Whether queries that others read are assets."
    )
    include_backing_queries: bool = Field(
        default=False, description="Whether the query behind a matview is an asset of its own."
    )
    checks: ResolvedChecks = Field(
        default_factory=list, description="Checks beside those of the catalog, with the fields of a DuneCheck."
    )
    pipeline_form: ResolvedPipelineForm = Field(default="nodes", description="nodes, or lineage.")
    allow_extra_refreshes: bool = Field(
        default=False, description="In the lineage form, whether Dune may refresh what is not selected."
    )
    schedules: ResolvedSchedules = Field(
        default_factory=list, description="Jobs of parts of the assets, and when each is launched."
    )
    refresh_sensor: ResolvedRefreshSensor = Field(
        default=None,
        description="A sensor that shows refreshes which Dagster did not start, such as those of Dune's own schedules; "
        "none if left out, one with the defaults if {}.",
    )
    defs_state: ResolvedDefsStateConfig = Field(
        default_factory=DefsStateConfigArgs.legacy_code_server_snapshots,
        description="Where Dagster keeps what was read of the account; the code server's memory if left out.",
    )

    _fetched: CatalogContents | None = PrivateAttr(default=None)
    _files_catalog: DuneCatalog | None = PrivateAttr(default=None)
    _locations: FieldLocations | None = PrivateAttr(default=None)

    @field_validator("time_limit", "max_age", mode="before")
    @classmethod
    def _positive(cls, seconds: Any) -> float | None:
        return positive_seconds(seconds)

    @model_validator(mode="after")
    def _check_has_source(self) -> "DuneComponent":
        if self.queries is None and self.document is None and not self.account:
            raise DuneConfigurationError("A DuneComponent needs a source.", hint="Set queries, document or account.")
        return self

    # --- methods that Dagster calls ---

    @classmethod
    def get_model_cls(cls) -> type[BaseModel] | None:
        """Return the model of the YAML, with the descriptions of the fields, which Dagster leaves out."""
        model = super().get_model_cls()
        if model is not None:
            for name, field in model.model_fields.items():
                field.description = field.description or cls.model_fields[name].description
            build_exact_schemas(model)
            model.model_rebuild(force=True)
        return model

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Make a component from its attributes in YAML."""
        refuse_literal_key(attributes, context.path)
        attributes_context = context.resolution_context.at_path("attributes")
        refuse_unset_variables(attributes, attributes_context)
        component = super().load(attributes, context)
        if attributes is not None:
            component._locations = FieldLocations(attributes_context, attributes)
        return component

    @property
    def defs_state_config(self) -> DefsStateConfig:
        """Where Dagster stores the catalog of the account."""
        return DefsStateConfig.from_args(self.defs_state, default_key=f"{type(self).__name__}[{self._op_name}]")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Make the definitions. Dagster's state management decides whether the account is read before.

        Raises:
            DuneCatalogError: The folder, the document or the account cannot be read, or contradicts itself.
        """
        if not self.account:
            return self._definitions(context, None)
        try:
            return super().build_defs(context)
        except KeyError as error:
            # Dagster only stores this state while it loads a code location in a code server, not in a script or a test.
            if self.defs_state_config.key not in str(error):
                raise
            return self._definitions(context, self._fetched or self._read_without_state())

    def write_state_to_path(self, state_path: Path) -> None:
        """Read the account, and write its catalog to a file for Dagster.

        If it cannot be read, the document or an older state is used instead, with a warning.

        Args:
            state_path: The file. It contains the older state if Dagster has stored one.

        Raises:
            DuneCatalogError: The account cannot be read and there is no older catalog, or it contradicts itself.
        """
        # Dagster's command line calls this for every state-backed component, even if `account` is not set.
        with self._located_select():
            self._fetched = (
                refreshed(self._read_account, document=self.document, state_path=state_path)
                if self.account
                else CatalogContents()
            )
        write_state(self._fetched, state_path)

    def build_defs_from_state(
        self,
        context: dg.ComponentLoadContext,
        state_path: Path | None,
    ) -> dg.Definitions:
        """Make the definitions from the stored catalog of the account.

        Args:
            context: Dagster's context of the load.
            state_path: The file that `write_state_to_path` wrote; None if there is none yet.

        Raises:
            DuneCatalogError: The state, or the folder that it is merged with, cannot be read or contradicts itself.
        """
        if state_path is None:
            logger.warning(
                "The Dune account of %s was not read yet, and its assets are missing. Run dg utils refresh-defs-state.",
                self.defs_state_config.key,
            )
        return self._definitions(context, read_state(state_path) if state_path else None)

    # --- methods that users may override ---

    def get_asset_spec(self, obj: MaterializedView | Query | Reference) -> dg.AssetSpec:
        """Return how an object looks as an asset; see `DagsterDuneTranslator.get_asset_spec`."""
        spec = spec_of(self.translator or DagsterDuneTranslator(), obj)
        return self.translation(spec, obj) if self.translation else spec

    def execute(self, context: dg.AssetExecutionContext, dune: DuneResource, config: DuneRunConfig) -> DuneEvents:
        """Materialize what is selected. An override yields from this once: each call is a pipeline that is paid for.

        Args:
            context: The context of the step.
            dune: The resource.
            config: What is set for this run alone.

        Yields:
            What `DuneResource.run` yields.

        Examples:
            >>> class LoggingComponent(DuneComponent):
            ...     def execute(self, context, dune, config):
            ...         context.log.info("Before Dune")
            ...         yield from super().execute(context, dune, config)
        """
        yield from dune.run(
            context,
            config=config,
            pipeline_form=self.pipeline_form,
            allow_extra_refreshes=self.allow_extra_refreshes,
        )

    # --- from sources to definitions ---

    @property
    def _op_name(self) -> str:
        return str(self.op.get("name", self.name))

    def _read_account(self, known: CatalogContents | None) -> CatalogContents:
        resource = self.resource or shared_resource()
        for setting in (resource.api_key, resource.base_url):
            if isinstance(setting, dg.EnvVar) and not setting.get_value():
                raise DuneConfigurationError(
                    f"The environment variable {setting.env_var_name} is not set, so the Dune account cannot be read.",
                    hint="Set it where the code location is loaded.",
                )
        with resource.process_config_and_initialize_cm() as ready:
            return read_account(
                ready.get_client,
                select=self.select,
                exclude=self.exclude,
                known=known,
                time_limit=self.time_limit,
                warn=self._warn_of_exclude,
                strict=self.strict,
            )

    def _located_select(self) -> AbstractContextManager[None]:
        patterns = () if self.select is None else self.select
        return self._locations.located("select", patterns) if self._locations else nullcontext()

    def _warn_of_exclude(self, error: UnmatchedPatternError) -> None:
        warn_of_exclude(
            error, self._locations.location_of_pattern(error, "exclude", self.exclude) if self._locations else ""
        )

    def _read_without_state(self) -> CatalogContents:
        """Read the account in a process to which Dagster should have passed the stored state, but did not.

        This happens in a process that has run a job by a pointer to its code, as ``dg.execute_job`` does: from then on,
        Dagster assumes that its loads only repeat that of a code server. In a deployment, it means that the code of the
        run is newer than that of its code server.
        """
        logger.warning(
            "Nobody has told this process what is in the Dune account of %s, so that it is read here. If this is a run "
            "of a deployment, reload its code location.",
            self.defs_state_config.key,
        )
        with TemporaryDirectory() as folder:
            state_path = Path(folder, "state")
            self.write_state_to_path(state_path)
            return read_state(state_path)

    def _catalog(self, account: CatalogContents | None) -> DuneCatalog | None:
        """Return the catalog of the sources; None if the only source is an account that was never read."""
        with unknown_name_warnings_deferred():
            if account is not None:
                return merged_catalog(self.queries, account, strict=self.strict)
            if self._files_catalog is None:
                self._files_catalog = catalog_of_files(self.queries, self.document, self.max_age, strict=self.strict)
            return self._files_catalog

    def _asset_names(self) -> set[str]:
        """Return the SQL names of this component's assets, as far as they are known without reading the account."""
        try:
            catalog = self._catalog(self._fetched)
            selected = None if self.account or catalog is None else self._selected_names(catalog)
        except DuneError:  # raised again where the component itself is built
            return set()
        if catalog is None:
            return set()
        return set(selected) if selected is not None else {obj.sql_name for obj in catalog}

    def _selected_names(
        self, catalog: DuneCatalog, warn: Callable[[UnmatchedPatternError], object] | None = None
    ) -> list[str] | None:
        translator = SpecTranslator(self.get_asset_spec)

        def key_of(obj: MaterializedView | Query) -> str:
            return spec_of(translator, obj).key.to_user_string()

        return selected_names(catalog, self.select, self.exclude, key_of, warn)

    def _definitions(self, context: dg.ComponentLoadContext, account: CatalogContents | None) -> dg.Definitions:
        catalog = self._catalog(account)
        if catalog is None:
            return dg.Definitions()
        with self._located_select():
            selected = None if self.account else self._selected_names(catalog, self._warn_of_exclude)
        catalog = self._with_checks(catalog)
        names_elsewhere = {name for other in self._sibling_components(context) for name in other._asset_names()}
        if self.queries is not None or not self.account:  # an account contains all objects of its team
            warn_of_unknown_names(catalog, names_elsewhere)
        defs = build_dune_definitions(
            catalog,
            resource=self.resource,
            resource_key=self.resource_key,
            upstream_tables=self.upstream_tables,
            translator=SpecTranslator(self.get_asset_spec),
            select=selected,
            io_manager_key=self.io_manager_key,
            query_views=self.query_views,
            include_backing_queries=self.include_backing_queries,
            execute=self.execute,
            **self._op_options,
        )
        shown = list(defs.assets or ())
        if self.upstream_tables and self.upstream_exclude != []:
            location = self._locations.location_of("upstream_exclude") if self._locations else ""
            shown = without_excluded(shown, self.upstream_exclude, location)
        own = without_assets_of_others(
            dg.Definitions(assets=shown, resources=defs.resources),
            context.component_tree,
            self._op_name,
            elsewhere=python_asset_keys(context),
            names=names_elsewhere,
        )
        made = [asset for asset in own.assets or () if isinstance(asset, dg.AssetsDefinition)]
        name = "dune_refresh_sensor" if self._op_name == DEFAULT_NAME else f"{self._op_name}_refresh_sensor"
        return dg.Definitions.merge(
            own, automation_of(made, self.schedules, self.refresh_sensor, name=name, resource_key=self.resource_key)
        )

    def _with_checks(self, catalog: DuneCatalog) -> DuneCatalog:
        """Return the catalog with the component's own checks. The error for a wrong check contains its line."""
        written = [(index, check) for index, check in enumerate(self.checks) if isinstance(check, DuneCheck)]
        if written and not self.strict:
            place_of = self._locations.location_of if self._locations else lambda *_: ""
            placed = [(place_of("checks", index), check) for index, check in written]
            fitting = checks_that_fit(catalog, placed, LeftOut())
            written = [(index, check) for index, check in written if check in fitting]
        checks = [check for _, check in written]
        try:
            return catalog.with_checks(checks, strict=True) if checks else catalog
        except DuneCatalogError:
            for count, (index, _) in enumerate(written, start=1):
                with self._locations.located_at("checks", index) if self._locations else nullcontext():
                    catalog.with_checks(checks[:count], strict=True)
            raise

    def _sibling_components(self, context: dg.ComponentLoadContext) -> "list[DuneComponent]":
        """Return the other DuneComponents of the project.

        Raises:
            DuneConfigurationError: One has the same name, or a different resource with the same key.
        """
        others = [other for other in siblings(context, DuneComponent) if other is not self]
        for other in others:
            with self._locations.located_at() if self._locations else nullcontext():
                self._check_compatible(other)
        return others

    def _check_compatible(self, other: "DuneComponent") -> None:
        location = other._locations.location_of() if other._locations else ""
        the_other = f", the other in {location}" if location else ""
        if other._op_name == self._op_name:
            raise DuneConfigurationError(
                f"Two DuneComponents are named {self._op_name!r}{the_other}.",
                hint="Set name in the attributes of one of them.",
            )
        resources = [found for found in (self.resource, other.resource) if found is not None]
        if self.resource_key == other.resource_key and any(found is not resources[0] for found in resources):
            raise DuneConfigurationError(
                f"Two DuneComponents have different resources of the key {self.resource_key!r}{the_other}.",
                hint="Write the same resource in both, or resource: null in one, which then has that of the other; for "
                "another account, set another resource_key.",
            )

    @property
    def _op_options(self) -> Any:
        """The arguments of `build_dune_definitions` for the step."""
        given: dict[str, Any] = dict(self.op)
        tags = {**(self.op_tags or {}), **given.pop("tags", {})}
        fields = {
            "name": self.name,
            "pool": self.pool,
            "retry_policy": self.retry_policy,
            "backfill_policy": self.backfill_policy,
        }
        return {**fields, **given, "op_tags": tags or None}
