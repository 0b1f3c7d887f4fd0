"""Inspects and prepares the table on Dune, which others may change at any moment, and inserts rows into it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import AmbiguousSubmission, DuneApiError, DuneNotFoundError
from dagster_dune.api.models import TableColumn, UploadInfo
from dagster_dune.errors import DuneError, DuneUploadError
from dagster_dune.frames.results import Log
from dagster_dune.frames.uploads.body_files import Body
from dagster_dune.frames.uploads.budget import CreditBudget
from dagster_dune.frames.uploads.options import CREATION_CREDITS, WriteOptions
from dagster_dune.frames.uploads.schema import differences


class RemoteTable:
    """A table that is about to be written to.

    Args:
        client: A client of Dune's API.
        name: The full name of the table.
        columns: The columns that it must have.
        with_nulls: The names of the columns that hold a NULL in the frame.
        options: How it is written.
        log: The logger for each step.
        budget: The credits of the write.

    Attributes:
        is_new: Whether this write must create the table, or has created it.
    """

    def __init__(
        self,
        client: DuneApiClient,
        name: str,
        columns: list[TableColumn],
        with_nulls: Collection[str],
        options: WriteOptions,
        log: Log,
        budget: CreditBudget,
    ) -> None:
        self._client = client
        self._name = name
        _, self._team, self._table = name.split(".")
        self._columns = columns
        self._with_nulls = {column.lower() for column in with_nulls}
        self._options = options
        self._log = log
        self._budget = budget
        self._existing: UploadInfo | None = None
        self._is_private = options.is_private
        self._spelling = dict[str, str]()
        self.is_new = False

    def inspect(self) -> None:
        """Look up the table, and check that the rows can be written to it. Nothing is charged.

        Raises:
            DuneUploadError: The rows cannot be written to it.
            DuneApiError: The tables could not be listed.
        """
        self._existing = existing = self._find()
        self.is_new = existing is None or self._must_be_replaced(existing)
        if existing is None:
            return
        if self._options.is_private is None:
            self._is_private = existing.is_private
        if not self.is_new:
            self._check_privacy(existing)
            self._check_nulls(existing)
        elif self._is_private is None:
            raise DuneUploadError(
                f"Whether {self._name} is private is not known, and it would be deleted and created anew; nothing was "
                "sent.",
                hint="Say is_private=True or False.",
            )

    def prepare(self) -> bool:
        """Delete, create or clear the table, as its options and its present state require, so that it can take rows.

        Returns:
            Whether somebody else may have created it since `inspect`, so that it may already have rows.

        Raises:
            DuneUploadError: A step failed; the message says what state the table is in.
            DuneApiError: Dune refused the first step.
        """
        if not self.is_new:
            if self._options.mode == "replace":
                self._clear()
            return False
        if self._existing is not None:
            self._delete()
        is_ours = self._create()
        self._log.info("Created %s." if is_ours else "%s has been created meanwhile.", self._name)
        self.is_new = is_ours
        return not is_ours

    def check_unchanged(self) -> None:
        """Check that the rows can still be written to the table.

        Raises:
            DuneUploadError: The table was deleted or replaced.
            DuneApiError: The tables could not be listed.
        """
        existing = self._find()
        if existing is None or differences(existing.columns, self._columns) or not self._is_as_private(existing):
            raise DuneUploadError(f"{self._name} was deleted, or created anew, by somebody else.")

    def insert(self, body: Body) -> int:
        """Insert rows, and return the number of rows that Dune has written.

        Dune's manual asks for the names of the table's schema. The body has them in lower case.
        """
        if any(lower != name for lower, name in self._spelling.items()):
            body.respell(self._spelling)
        answer = self._client.insert_rows(
            self._team, self._table, body.path, body.format, answer_seconds=self._options.settle_seconds
        )
        return answer.rows_written

    def incomplete_error(self, error: DuneError, state: str) -> DuneUploadError:
        """Return the error of a step that failed after other steps had changed the table.

        Args:
            error: Why it failed.
            state: The present state of the table.
        """
        again = "replaces everything" if self._options.mode == "replace" else "would append the rows that are in again"
        return DuneUploadError(
            f"{self._name} is not whole. {state}: {error}",
            hint=f"Writing it again {again}.{self._budget.spent_sentence}",
        )

    @contextmanager
    def logging_state_on_interrupt(self, state: str) -> Iterator[None]:
        """Log the state of the table if another error than a `DuneError` ends a step, such as a termination."""
        try:
            yield
        except DuneError:
            raise
        except BaseException:
            self._log.warning("%s is not whole. %s", self._name, state)
            raise

    # --- what is there ---

    def _find(self) -> UploadInfo | None:
        found = next((upload for upload in self._client.list_uploads() if upload.full_name == self._name), None)
        self._spelling = {column.name.lower(): column.name for column in found.columns} if found else {}
        return found

    def _must_be_replaced(self, existing: UploadInfo) -> bool:
        differing = differences(existing.columns, self._columns)
        if not differing or self._options.on_schema_change == "replace":
            return bool(differing)
        raise DuneUploadError(
            f"The columns of {self._name} differ from the frame's: {'; '.join(differing)}.",
            hint='Change the frame, name its types in types, or create the table anew with on_schema_change="replace".'
            if self._options.mode == "replace"
            else "Change the frame, name its types in types, or replace the table.",
        )

    def _is_as_private(self, existing: UploadInfo) -> bool:
        return self._is_private is None or bool(existing.is_private) == self._is_private

    def _check_privacy(self, existing: UploadInfo) -> None:
        if not self._is_as_private(existing):
            known = "private" if existing.is_private else "public"
            is_now = "not known to be private" if existing.is_private is None else known
            raise DuneUploadError(
                f"{self._name} is {is_now}, and is_private={self._options.is_private} was asked for; nothing was sent.",
                hint="A table keeps what it was created as: delete it on Dune first, or leave is_private out.",
            )

    def _check_nulls(self, existing: UploadInfo) -> None:
        for column in existing.columns:
            if column.nullable is False and column.name.lower() in self._with_nulls:
                raise DuneUploadError(
                    f"Column {column.name!r} of {self._name} takes no NULL, and the frame has some in it; nothing was "
                    "sent.",
                    hint="Fill them in, leave such rows out, or make the table anew.",
                )

    # --- the steps ---

    def _delete(self) -> None:
        try:
            with self.logging_state_on_interrupt("Whether it is deleted is not known."):
                self._client.delete_upload(self._team, self._table, answer_seconds=self._options.settle_seconds)
        except DuneNotFoundError:  # by a request whose answer was lost, or by somebody else
            self._log.info("%s was deleted already.", self._name)
        except DuneApiError as error:
            raise self.incomplete_error(error, "Whether the old table is deleted is not known") from error
        else:
            self._log.info("Deleted %s, whose columns differ.", self._name)

    def _create(self) -> bool:
        """Create the table, and return whether it is certainly new and empty, and not created by somebody else."""
        unknown = "Whether it was created is not known"
        if self._existing is not None:
            unknown = "The old table is deleted, and whether the new one was created is not known"
        try:
            with self.logging_state_on_interrupt(f"{unknown}."):
                columns = [column.model_copy(update={"name": column.name.lower()}) for column in self._columns]
                created = self._client.create_upload(self._team, self._table, columns, is_private=self._is_private)
        except AmbiguousSubmission as error:
            self._budget.spent += CREATION_CREDITS  # it may have been charged
            self._adopt(error, unknown)
            return False
        except DuneApiError as error:
            self._adopt(error, "The old table is deleted, and the new one was not created")
            return False
        if created.already_existed:
            self._adopt(None, "")
            return False
        self._budget.spent += CREATION_CREDITS
        self._spelling = {}
        return True

    def _adopt(self, error: DuneApiError | None, state: str) -> None:
        """Use a table that exists although its creation was refused or got no answer, if the rows can be written to it.

        Somebody else may have created it, with rows in it: those of another partition that is appended at the same
        time, or those of another frame, which are cleared if the mode is "replace".
        """
        is_lost = isinstance(error, AmbiguousSubmission)
        try:
            found = self._find()
        except DuneApiError as second:
            if error is not None and not is_lost and self._existing is None:
                raise error from second
            raise self.incomplete_error(second, state or "Whether it is there is not known") from error
        if found is None and error is not None:
            if self._existing is None:
                raise error
            raise self.incomplete_error(error, state) from error
        fits = found is not None and self._is_as_private(found) and not differences(found.columns, self._columns)
        if not fits or not (is_lost or self._options.mode == "append"):
            since = "looked for" if self._existing is None else "deleted"
            raise DuneUploadError(
                f"{self._name} was created by somebody else since it was {since}, so that no rows were sent.",
                hint="Look at what is in it, then write it again.",
            ) from error
        if self._options.mode == "replace":
            self._clear()

    def _clear(self) -> None:
        unknown = "Whether its old rows are gone is not known"
        try:
            with self.logging_state_on_interrupt(f"{unknown}."):
                self._client.clear_upload(self._team, self._table, answer_seconds=self._options.settle_seconds)
        except DuneApiError as error:
            raise self.incomplete_error(error, unknown) from error
        self._log.info("Cleared %s.", self._name)
