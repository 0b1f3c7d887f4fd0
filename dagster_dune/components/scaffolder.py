"""``dg scaffold defs dagster_dune.DuneComponent``: a folder with a component that loads, and an example in it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import dagster as dg
from pydantic import BaseModel, Field, field_validator

from dagster_dune.errors import DuneConfigurationError

EXAMPLE_ID = 9_000_000_001
"""No query on Dune has this id, so Dune refuses a run of the example, which costs nothing."""

EXAMPLE = """\
/* dune
name: Volume by chain
description: An example. Put your own queries here, one a file, named <name>_<id>.sql after their ids on Dune.
tags: [example]
*/
SELECT blockchain, COUNT(*) AS trades, SUM(amount_usd) AS volume_usd
FROM dex.trades
GROUP BY 1
"""


class ScaffoldParams(BaseModel):
    """What the component reads. ``queries`` if nothing is said."""

    queries: str | None = Field(default=None, description="A folder of .sql files, made with an example if missing.")
    document: str | None = Field(
        default=None, description="What dagster-dune catalog pull writes, made with an example if missing."
    )
    account: bool = Field(default=False, description="The account, read once a load of the code location.")

    @field_validator("queries", "document")
    @classmethod
    def _check_is_inside(cls, path: str | None) -> str | None:
        if path is not None and (not path.strip() or Path(path).is_absolute() or ".." in Path(path).parts):
            raise DuneConfigurationError(
                f"{path!r} is no path beside the component.", hint="Name a folder or file in it, such as queries."
            )
        return path

    def attributes(self) -> dict[str, Any]:
        """Return the component's attributes."""
        given = {"queries": self.queries, "document": self.document, "account": self.account}
        return {name: value for name, value in given.items() if value} or {"queries": "queries"}


class DuneScaffolder(dg.Scaffolder[ScaffoldParams]):
    """Writes the component, and an example of its folder or document if that does not exist."""

    @classmethod
    def get_scaffold_params(cls) -> type[ScaffoldParams]:
        """Return the model of the command line's parameters."""
        return ScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[ScaffoldParams]) -> None:
        """Write the files."""
        attributes = request.params.attributes()
        folder = request.target_path.parent if request.append else request.target_path
        if queries := attributes.get("queries"):
            _write_example(folder / queries)
        if (document := attributes.get("document")) and not (folder / document).exists():
            _write_document(folder / document)
        if request.scaffold_format == "python":
            (folder / "component.py").write_text(_python(attributes), "utf-8")
        else:
            dg.scaffold_component(request, attributes)


def _write_example(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.rglob("*.sql")):
        (folder / f"volume_by_chain_{EXAMPLE_ID}.sql").write_text(EXAMPLE, "utf-8")


def _write_document(path: Path) -> None:
    from dagster_dune.catalog.catalog import DuneCatalog, Query  # noqa: PLC0415  (dg often imports only the class)
    from dagster_dune.catalog.document import write_document  # noqa: PLC0415

    query = Query(query_id=EXAMPLE_ID, slug="volume_by_chain", name="Volume by chain", deps=("dex.trades",))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_document(DuneCatalog(queries=[query]), path)


def _python(attributes: dict[str, Any]) -> str:
    """Return the code of a component in Python, with absolute paths: relative ones start at the working directory."""
    values = {name: value if value is True else f'FOLDER / "{value}"' for name, value in attributes.items()}
    arguments = ", ".join(f"{name}={value}" for name, value in values.items())
    uses_paths = any(value is not True for value in attributes.values())
    header = "from pathlib import Path\n\n" if uses_paths else ""
    folder = "FOLDER = Path(__file__).parent\n\n\n" if uses_paths else "\n"
    return header + dedent(
        """\
        import dagster as dg

        from dagster_dune import DuneComponent

        {folder}@dg.component_instance
        def load(context: dg.ComponentLoadContext) -> DuneComponent:
            return DuneComponent({arguments})
        """
    ).format(folder=folder, arguments=arguments)
