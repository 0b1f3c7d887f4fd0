"""Check the answers of the local Dune against an OpenAPI document of Dune's API, strictly.

    python -m scripts.check_emulator_against_spec path/to/openapi.json

The document requires almost no field, so that an empty object would be valid. Here unknown fields are errors, and the
schemas of the tests say which fields each state requires.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))  # whose modules import each other by name
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support" / "specification"))
import newer_than_the_document as newer
from spec_schemas import CSV_OPERATIONS, ERROR, SCHEMAS
from spec_tour import Exchange, exchanges


def strict(schema: Any, definitions: dict[str, Any]) -> Any:
    """Return a schema that allows no other fields than those it names."""
    if isinstance(schema, list):
        return [strict(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {"type": "object"} if name in newer.FREE_FORM else strict(definitions[name], definitions)
    if len(schema.get("allOf", ())) == 1:
        return strict(schema["allOf"][0], definitions)
    result = {name: value for name, value in schema.items() if name in ("type", "enum", "required")}
    if "items" in schema:
        result["items"] = strict(schema["items"], definitions)
    if schema.get("properties"):
        result["properties"] = {name: strict(part, definitions) for name, part in schema["properties"].items()}
        result["additionalProperties"] = False
    return result


def problems(exchange: Exchange, spec: dict[str, Any]) -> list[str]:
    """Return the problems of one answer."""
    method, path = exchange.operation.split()
    status = exchange.response.status_code
    found = [] if status == exchange.expected else [f"status {status}, expected {exchange.expected}"]
    own = ERROR if exchange.expected >= 400 else SCHEMAS.get((exchange.operation, exchange.state))
    schemas = [] if own is None else [own]
    if exchange.operation not in newer.OPERATIONS:
        documented = spec["paths"][path][method.lower()]["responses"]
        if str(status) in documented and own is not None:
            (content,) = documented[str(status)]["content"].values()
            schema = strict(content["schema"], spec["components"]["schemas"])
            schema.get("properties", {}).update(newer.FIELDS.get(exchange.operation, {}))
            schemas.append(schema)
        elif str(status) not in documented and not is_newer(exchange.operation, status):
            found.append(f"status {status} is not documented")
    body = exchange.response.json() if schemas else None
    for schema in schemas:
        found += [f"{error.instance_path}: {error.message}" for error in jsonschema_rs.iter_errors(schema, body)]
    return found


def is_newer(operation: str, status: int) -> bool:
    """Return whether the status of an answer is documented elsewhere than in the document."""
    return status in newer.STATUSES_OF_ALL_KNOWN_REQUESTS or (operation, status) in newer.STATUSES


def main(path: Path) -> int:
    """Check all answers, and print the problems and some counts."""
    spec = json.loads(path.read_text("utf-8"))
    tour = exchanges()
    wrong = 0
    for exchange in tour:
        for problem in problems(exchange, spec):
            wrong += 1
            print(f"{exchange.operation} {exchange.state or exchange.expected}: {problem}")
    operations = {f"{method.upper()} {path}" for path, methods in spec["paths"].items() for method in methods}
    visited = {exchange.operation for exchange in tour}
    states = {(exchange.operation, exchange.state) for exchange in tour if exchange.expected < 400}
    refusals = sum(exchange.expected >= 400 for exchange in tour)
    print(f"{len(visited & operations)} of {len(operations)} operations in {len(states)} states: {len(tour)} answers,")
    print(f"{refusals} of them refusals; {len(SCHEMAS)} strict schemas, {len(CSV_OPERATIONS)} CSV operations;")
    overrides = [
        *sorted(newer.OPERATIONS),
        *(f"{operation} ({', '.join(fields)})" for operation, fields in newer.FIELDS.items()),
        *(f"{operation} ({status})" for operation, status in newer.STATUSES),
    ]
    print(f"Newer than the document: {'; '.join(overrides)}.")
    print(f"{wrong} problems. Not served: {', '.join(sorted(operations - visited)) or 'none'}.")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m scripts.check_emulator_against_spec OPENAPI_FILE")
    sys.exit(main(Path(sys.argv[1])))
