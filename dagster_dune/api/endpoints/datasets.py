"""Datasets, every table that SQL can read: https://docs.dune.com/api-reference/datasets. No credits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dagster_dune.api import models
from dagster_dune.api.endpoints.base import Endpoints, given, segment

DATASETS_PAGE = 250


class Datasets(Endpoints):
    """Finds tables and their columns."""

    def list_datasets(self, *, owner_handle: str | None = None, type: str | None = None) -> Iterator[models.Dataset]:  # noqa: A002
        """Read the datasets, page by page as they are iterated: ``GET /v1/datasets``.

        Args:
            owner_handle: Only datasets of this user or team.
            type: Only datasets of this type, or of several types, separated by commas: see `models.Dataset`.

        Raises:
            DuneApiError: A page could not be read, or the pages do not end.
        """

        def read(offset: int) -> models.DatasetList:
            params = given(limit=DATASETS_PAGE, offset=offset, owner_handle=owner_handle, type=type)
            return self._read(models.DatasetList, "v1/datasets", params)

        for page in self._pages("v1/datasets", read, lambda offset, page: page.next_after(offset, DATASETS_PAGE)):
            yield from page.datasets

    def get_dataset(self, full_name: str) -> models.Dataset:
        """Read one dataset with its columns, by its name in SQL: ``GET /v1/datasets/{name}``.

        Raises:
            DuneNotFoundError: There is no dataset of this name.
            DuneApiError: It could not be read.
        """
        return self._read(models.Dataset, f"v1/datasets/{segment(full_name)}")

    def search_datasets(
        self,
        query: str | None = None,
        *,
        categories: Sequence[str] | None = None,
        dataset_types: Sequence[str] | None = None,
        blockchains: Sequence[str] | None = None,
        schemas: Sequence[str] | None = None,
        owner_scope: str | None = None,
        include_private: bool | None = None,
        include_schema: bool | None = None,
        include_metadata: bool | None = None,
        page_size: int | None = None,
    ) -> Iterator[models.FoundDataset]:
        """Search for datasets, the best first, page by page: ``POST /v1/datasets/search``.

        Args:
            query: The words to search for.
            categories: ``canonical``, ``decoded``, ``spell``, ``community``.
            dataset_types: Only these types.
            blockchains: Only these chains.
            schemas: Only these schemas, such as ``dex``.
            owner_scope: Whose datasets to search.
            include_private: Whether to include private datasets of the key's owner.
            include_schema: Whether to include the columns.
            include_metadata: Whether to include the metadata.
            page_size: How many datasets per request; Dune's default if None.

        Raises:
            DuneApiError: A page could not be read, or the pages do not end.
        """
        body = given(
            query=query,
            categories=_list(categories),
            dataset_types=_list(dataset_types),
            blockchains=_list(blockchains),
            schemas=_list(schemas),
            owner_scope=owner_scope,
            include_private=include_private,
            include_schema=include_schema,
            include_metadata=include_metadata,
            limit=page_size,
        )
        return self._found("v1/datasets/search", body)

    def search_datasets_by_contract(
        self,
        contract_address: str,
        *,
        blockchains: Sequence[str] | None = None,
        include_schema: bool | None = None,
        page_size: int | None = None,
    ) -> Iterator[models.FoundDataset]:
        """Find the tables into which a contract is decoded, page by page: ``POST /v1/datasets/search-by-contract``.

        Args:
            contract_address: Such as ``0xa0b8...``.
            blockchains: Only these chains.
            include_schema: Whether to include the columns.
            page_size: How many tables per request; Dune's default if None.

        Raises:
            DuneApiError: A page could not be read, or the pages do not end.
        """
        body = given(
            contract_address=contract_address,
            blockchains=_list(blockchains),
            include_schema=include_schema,
            limit=page_size,
        )
        return self._found("v1/datasets/search-by-contract", body)

    def _found(self, path: str, body: dict[str, Any]) -> Iterator[models.FoundDataset]:
        read: Callable[[int], models.DatasetsFound] = lambda offset: self._change(  # noqa: E731
            models.DatasetsFound, "POST", path, body | ({"offset": offset} if offset else {})
        )
        for page in self._pages(path, read, lambda _, page: page.pagination.next_offset if page.pagination else None):
            yield from page.results


def _list(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else list(names)
