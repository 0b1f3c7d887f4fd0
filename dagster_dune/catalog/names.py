"""The names by which DuneSQL reads queries, matviews, uploads and tables.

There are four kinds: a saved query (``query_123``, inlined as a view), a materialized view
(``dune.<team>.result_<name>``), an uploaded table (``dune.<team>.dataset_<name>`` where Dune was given CSV,
``dune.<team>.<name>`` where columns were declared), and any other table or spell (``dex.trades``).
See https://docs.dune.com/query-engine/query-a-query.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from dagster_dune.errors import DuneCatalogError

MAX_QUERY_ID = 10**18 - 1
QUERY_NAME = re.compile(r"query_(?P<id>[1-9][0-9]{0,17})")
# Assumption: matview-names.
TEAM_TABLE_NAME = re.compile(r"dune\.(?P<team>[\w-]+)\.(?P<kind>result|dataset)_(?P<name>\w+)")
UPLOAD_NAME = re.compile(r"dune\.(?!information_schema\.)[^.]+\.[^.]+")
"""Names of uploads, and of matviews too; ``information_schema`` is not a team, but belongs to Trino."""

RESERVED = frozenset(
    """alter and as between by case cast constraint create cross cube current_catalog current_date current_path
    current_role current_schema current_time current_timestamp current_user deallocate delete describe distinct drop
    else end escape except execute exists extract false for from full group grouping having in inner insert intersect
    into is join json_array json_exists json_object json_query json_table json_value left like listagg localtime
    localtimestamp natural normalize not null on or order outer prepare recursive right rollup select skip table then
    trim true uescape union unnest using values when where with""".split()  # noqa: SIM905  (a list of eighty lines is no clearer)
)
"""Words that DuneSQL (Trino) reserves: https://trino.io/docs/current/language/reserved.html."""
NO_NAME = re.compile(r"://|[*,;(){}]|\.sql$", re.IGNORECASE)
"""What the name of a table has never, but an address, a pattern, a call, a list or a file."""
QUERY_ADDRESS = re.compile(r"dune\.(?:com|xyz)/queries/(?P<id>[1-9][0-9]{0,17})(?![0-9])")
_PLAIN_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

KEY_PREFIX = "dune"


class ReferenceKind(StrEnum):
    """What a name in a query's FROM clause stands for."""

    QUERY = "query"
    MATERIALIZED_VIEW = "materialized_view"
    UPLOAD = "upload"
    TABLE = "table"

    @property
    def word(self) -> str:
        """The short name of the kind in the UI and in selections. Dagster has icons for some of these names."""
        return "view" if self is ReferenceKind.MATERIALIZED_VIEW else self.value

    @property
    def is_object(self) -> bool:
        """Whether Dune can run or refresh it, so that it can be an object of a catalog."""
        return self in (ReferenceKind.QUERY, ReferenceKind.MATERIALIZED_VIEW)


@dataclass(frozen=True, order=True)
class Reference:
    """A name that SQL reads, lower case and without quotes, as DuneSQL resolves it.

    Attributes:
        name: Such as ``query_123``, ``dune.acme.result_volume`` or ``dex.trades``.
        kind: What the name stands for.
    """

    name: str
    kind: ReferenceKind

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse a name as a user or a query writes it.

        Args:
            text: A name, perhaps with quotes around its parts: ``dune."21co".result_x``.

        Returns:
            The reference. A name that is not a query, a matview or an upload is a table.

        Raises:
            DuneCatalogError: The name is empty, or has only one part and is not the name of a query.

        Examples:
            >>> Reference.parse('dune."21co".result_x').name
            'dune.21co.result_x'
            >>> Reference.parse("query_42").kind.value
            'query'
        """
        name = text.replace('"', "").strip().lower()
        if QUERY_NAME.fullmatch(name):
            return cls(name, ReferenceKind.QUERY)
        match = TEAM_TABLE_NAME.fullmatch(name)
        if match and match["kind"] == "result":
            return cls(name, ReferenceKind.MATERIALIZED_VIEW)
        parts = name.split(".")
        if len(parts) < 2 or not all(parts):
            raise _no_name(text)
        return cls(name, ReferenceKind.UPLOAD if UPLOAD_NAME.fullmatch(name) else ReferenceKind.TABLE)

    @classmethod
    def parse_written(cls, text: str) -> Reference:
        """Parse a name that stands in settings, where no parser of SQL has found that it is one.

        Raises:
            DuneCatalogError: It is no name, but an address, a file, a pattern or a list of names, say.
        """
        if NO_NAME.search(text.strip()):
            raise _no_name(text)
        return cls.parse(text)


def _no_name(text: str) -> DuneCatalogError:
    address = QUERY_ADDRESS.search(text)
    return DuneCatalogError(
        f"{text!r} is no name that DuneSQL can read.",
        hint=f"Did you mean {query_name(int(address['id']))}?"
        if address
        else "Write query_<id>, dune.<team>.result_<name>, dune.<team>.dataset_<name> or <schema>.<table>.",
    )


def query_name(query_id: int) -> str:
    """Return the name by which SQL reads a saved query, as a view.

    Examples:
        >>> query_name(42)
        'query_42'
    """
    return f"query_{query_id}"


def query_id_of(name: str) -> int | None:
    """Return the id in the name of a saved query; None if the name is not that of a query.

    Args:
        name: Lower case and without quotes, as in `Reference.name`.

    Examples:
        >>> query_id_of("query_42"), query_id_of("dune.acme.result_42"), query_id_of("query_007")
        (42, None, None)
    """
    match = QUERY_NAME.fullmatch(name)
    return int(match["id"]) if match else None


def normalised_name(text: str) -> str:
    """Return a name without quotes and blanks and in lower case, so that different spellings of it compare equal.

    Examples:
        >>> normalised_name('DUNE."21co".result_x '), normalised_name("query_42")
        ('dune.21co.result_x', 'query_42')
    """
    return "".join(text.replace('"', "").split()).lower()


def materialized_view_name(text: str) -> str:
    """Check the full name of a matview and remove its quotes.

    Args:
        text: Such as ``dune."21co".result_x``.

    Returns:
        The name without quotes.

    Raises:
        DuneCatalogError: It is not of the form ``dune.<team>.result_<name>``.
    """
    name = text.replace('"', "").strip()
    match = TEAM_TABLE_NAME.fullmatch(name.lower())
    if match and match["kind"] == "result":
        return name
    raise DuneCatalogError(
        f"{text!r} is not the full name of a materialized view."
        if text.strip()
        else "A materialized view has no name.",
        hint="Write it as Dune lists it: dune.<team>.result_<name>.",
    )


def name_in_sql(name: str) -> str:
    """Return a name as SQL, with quotes around parts that are not plain identifiers or that DuneSQL reserves.

    Args:
        name: Without quotes, with dots between its parts.

    Examples:
        >>> print(name_in_sql("dune.acme.labels"), name_in_sql("dune.21co.labels"), name_in_sql("dune.my-team.order"))
        dune.acme.labels dune."21co".labels dune."my-team"."order"
    """
    return ".".join(map(identifier_in_sql, name.split(".")))


def identifier_in_sql(name: str) -> str:
    """Return an identifier as SQL, with quotes if it needs them: the name of a column, or one part of another name.

    Examples:
        >>> print(identifier_in_sql("day"), identifier_in_sql("order"), identifier_in_sql("a.b"))
        day "order" "a.b"
    """
    is_plain = _PLAIN_IDENTIFIER.fullmatch(name) and name.lower() not in RESERVED
    return name if is_plain else '"' + name.replace('"', '""') + '"'


def asset_key_parts(name: str) -> tuple[str, ...]:
    """Return the default asset key, which translators may change, of the object or table with a name in SQL.

    Args:
        name: Lower case and without quotes, as in `Reference.name`.

    Examples:
        >>> asset_key_parts("dune.21co.result_x"), asset_key_parts("dex.trades"), asset_key_parts("query_42")
        (('dune', '21co', 'result_x'), ('dune', 'dex', 'trades'), ('dune', 'query_42'))
    """
    parts = name.split(".")
    if parts[0] != KEY_PREFIX:
        parts = [KEY_PREFIX, *parts]
    return tuple(re.sub(r"[^A-Za-z0-9_.-]", "_", part) for part in parts)


def slugify(text: str) -> str | None:
    """Turn a title or a file's name into the readable part of an asset key.

    Args:
        text: Any text.

    Returns:
        The text's letters (without accents), digits and underscores, with one underscore in place of any characters
        between them; None if nothing remains.

    Examples:
        >>> slugify("DEX volume, 7-day (\u00fcber alles)")
        'DEX_volume_7_day_uber_alles'
        >>> slugify("\u65e5") is None
        True
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_]+", "_", ascii_text).strip("_") or None
