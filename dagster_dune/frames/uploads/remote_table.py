"""The table on Dune as others may change it at any moment: what it is, and the steps that make it ready for rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import AmbiguousSubmission, DuneApiError, DuneNotFoundError
from dagster_dune.api.models import TableColumn, UploadInfo
from dagster_dune.errors import DuneError, DuneUploadError
from dagster_dune.frames.results import Log
from dagster_dune.frames.uploads.budget import CreditBudget
from dagster_dune.frames.uploads.kept_bodies import Body
from dagster_dune.frames.uploads.options import CREATION_CREDITS, WriteOptions
from dagster_dune.frames.uploads.schema import differences


class RemoteTable:
    """A table that is about to be written to.

    Args:
        client: A client of Dune's API.
        name: Its full name.
        columns: The columns that it must have.
        with_nulls: The names of those in which some row has no value.
        options: How it is written.
        log: Where each step is told.
        budget: What it has cost so far.

    Attributes:
        is_new: Whether it must be created, or has been.
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
        self._there: UploadInfo | None = None
        self._is_private = options.is_private
        self.is_new = False

    def inspect(self) -> None:
        """Find out what is there, and check that the rows may go in. Nothing is charged.

        Raises:
            DuneUploadError: They may not.
            DuneApiError: The tables could not be listed.
        """
        self._there = there = self._found()
        self.is_new = there is None or self._must_be_replaced(there)
        if there is None:
            return
        if self._options.is_private is None:
            self._is_private = there.is_private
        if not self.is_new:
            self._check_privacy(there)
            self._check_nulls(there)
        elif self._is_private is None:
            raise DuneUploadError(
                f"Whether {self._name} is private is not known, and it would be deleted and created anew; nothing was "
                "sent.",
                hint="Say is_private=True or False.",
            )

    def prepare(self) -> bool:
        """Make it ready for rows: deleted, created or cleared, as its options and what is there ask for.

        Returns:
            Whether somebody else has created it since it was looked for, so that there may be rows in it.

        Raises:
            DuneUploadError: A step failed; the message says what is there.
            DuneApiError: Dune refused the first step.
        """
        if not self.is_new:
            if self._options.mode == "replace":
                self._clear()
            return False
        if self._there is not None:
            self._delete()
        is_ours = self._create()
        self._log.info("Created %s." if is_ours else "%s has been created meanwhile.", self._name)
        self.is_new = is_ours
        return not is_ours

    def check_unchanged(self) -> None:
        """Check that it is still a table that the rows may go into.

        Raises:
            DuneUploadError: It is not.
            DuneApiError: The tables could not be listed.
        """
        there = self._found()
        if there is None or differences(there.columns, self._columns) or not self._is_as_private(there):
            raise DuneUploadError(f"{self._name} was deleted, or created anew, by somebody else.")

    def insert(self, body: Body) -> int:
        """Send rows, and return how many Dune has written."""
        answer = self._client.insert_rows(
            self._team, self._table, body.path, body.format, answer_seconds=self._options.settle_seconds
        )
        return answer.rows_written

    def half_done(self, error: DuneError, state: str) -> DuneUploadError:
        """Make the error of a step that failed after others were done.

        Args:
            error: Why it failed.
            state: What is there now.
        """
        again = "replaces everything" if self._options.mode == "replace" else "would append the rows that are in again"
        return DuneUploadError(
            f"{self._name} is not whole. {state}: {error}",
            hint=f"Writing it again {again}.{self._budget.spent_sentence}",
        )

    @contextmanager
    def logging_state_on_interrupt(self, state: str) -> Iterator[None]:
        """Say what is there where it is no error of ours that ends a step, such as Dagster's termination."""
        try:
            yield
        except DuneError:
            raise
        except BaseException:
            self._log.warning("%s is not whole. %s", self._name, state)
            raise

    # --- what is there ---

    def _found(self) -> UploadInfo | None:
        return next((upload for upload in self._client.list_uploads() if upload.full_name == self._name), None)

    def _must_be_replaced(self, there: UploadInfo) -> bool:
        differing = differences(there.columns, self._columns)
        if not differing or self._options.on_schema_change == "replace":
            return bool(differing)
        raise DuneUploadError(
            f"The columns of {self._name} differ from the frame's: {'; '.join(differing)}.",
            hint='Change the frame, name its types in types, or create the table anew with on_schema_change="replace".'
            if self._options.mode == "replace"
            else "Change the frame, name its types in types, or replace the table.",
        )

    def _is_as_private(self, there: UploadInfo) -> bool:
        return self._is_private is None or bool(there.is_private) == self._is_private

    def _check_privacy(self, there: UploadInfo) -> None:
        if not self._is_as_private(there):
            known = "private" if there.is_private else "public"
            is_now = "not known to be private" if there.is_private is None else known
            raise DuneUploadError(
                f"{self._name} is {is_now}, and is_private={self._options.is_private} was asked for; nothing was sent.",
                hint="A table keeps what it was created as: delete it on Dune first, or leave is_private out.",
            )

    def _check_nulls(self, there: UploadInfo) -> None:
        for column in there.columns:
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
            raise self.half_done(error, "Whether the old table is deleted is not known") from error
        else:
            self._log.info("Deleted %s, whose columns differ.", self._name)

    def _create(self) -> bool:
        """Create it, and return whether it is surely empty: nobody else has created it at the same moment."""
        unknown = "Whether it was created is not known"
        if self._there is not None:
            unknown = "The old table is deleted, and whether the new one was created is not known"
        try:
            with self.logging_state_on_interrupt(f"{unknown}."):
                created = self._client.create_upload(
                    self._team, self._table, self._columns, is_private=self._is_private
                )
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
        return True

    def _adopt(self, error: DuneApiError | None, state: str) -> None:
        """Take a table for ours whose creation was refused or got no answer, if it is one that the rows may go into.

        It may be somebody else's, with rows in it: those of another partition that was appended at the same moment, or
        those of another frame, which are cleared where the table is replaced.
        """
        is_lost = isinstance(error, AmbiguousSubmission)
        try:
            found = self._found()
        except DuneApiError as second:
            if error is not None and not is_lost and self._there is None:
                raise error from second
            raise self.half_done(second, state or "Whether it is there is not known") from error
        if found is None and error is not None:
            if self._there is None:
                raise error
            raise self.half_done(error, state) from error
        fits = found is not None and self._is_as_private(found) and not differences(found.columns, self._columns)
        if not fits or not (is_lost or self._options.mode == "append"):
            since = "looked for" if self._there is None else "deleted"
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
            raise self.half_done(error, unknown) from error
        self._log.info("Cleared %s.", self._name)
