"""Send random valid and invalid requests to a local Dune with schemathesis, from an OpenAPI document of Dune's API.

    python -m scripts.fuzz_emulator path/to/openapi.json [--max-examples 50]

It fails on a 500, on a status that is not documented, and on an answer that does not match the document. It takes
minutes, so the tests do not include it. `tests/emulator/http/test_spec.py` is stricter, with fixed requests.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from dagster_dune.emulator.server import DuneEmulator

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support" / "specification"))
import newer_than_the_document as newer

CHECKS = "not_a_server_error,status_code_conformance,response_schema_conformance"
NOT_SERVED = "/v1/endpoints/{handle}/{endpoint_slug}/results"

KNOWN_NAMES = {
    "query_id": [1, 2],
    "queryId": [1, 2],
    "name": ["dune.acme.result_n"],
    "slug": ["dex.trades", "dune.acme.amounts"],
    "namespace": ["acme"],
    "table_name": ["amounts"],
}
"""Existing names for variables of paths, so that requests get more than a 404. The others are random."""


def corrected(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the document without contradictions to Dune's manual and its official clients."""
    error = {"description": "Error", "content": {"application/json": {"schema": {"type": "object"}}}}
    del spec["paths"][NOT_SERVED]
    for methods in spec["paths"].values():
        for operation in methods.values():
            for status in newer.STATUSES_OF_ALL:
                operation["responses"].setdefault(str(status), error)
            for parameter in operation["parameters"]:
                if parameter["in"] == "path" and parameter["name"] in KNOWN_NAMES:
                    parameter["schema"] = {"enum": KNOWN_NAMES[parameter["name"]]}
    spec["components"]["schemas"] |= {name: {"type": "object"} for name in newer.FREE_FORM}
    spec["servers"] = [{"url": "/api"}]
    return spec


def main(path: Path, max_examples: int) -> int:
    """Run schemathesis, and return its exit code."""
    with DuneEmulator() as dune, tempfile.TemporaryDirectory() as folder:
        for query_id in (1, 2):
            dune.load_query(query_id, f"query {query_id}", "SELECT n FROM UNNEST(sequence(1, 9)) AS t(n)")
        dune.load_materialized_view("dune.acme.result_n", 1)
        table = {"namespace": "acme", "table_name": "amounts", "schema": [{"name": "n", "type": "bigint"}]}
        httpx.post(
            f"{dune.url}/api/v1/uploads", json=table, headers={"X-Dune-Api-Key": dune.api_key}
        ).raise_for_status()
        document = Path(folder, "openapi.json")
        document.write_text(json.dumps(corrected(json.loads(path.read_text("utf-8")))), "utf-8")
        command = [
            *(
                str(Path(sys.executable).with_name("schemathesis")),
                "run",
                str(document),
                "--url",
                f"{dune.url}/api",
                "--checks",
                CHECKS,
            ),
            *("--header", f"X-Dune-Api-Key: {dune.api_key}", "--phases", "examples,coverage,fuzzing"),
            *("--max-examples", str(max_examples), "--continue-on-failure", "--seed", "1"),
        ]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Send random requests to a local Dune.")
    parser.add_argument("spec", type=Path)
    parser.add_argument("--max-examples", type=int, default=50)
    arguments = parser.parse_args()
    sys.exit(main(arguments.spec, arguments.max_examples))
