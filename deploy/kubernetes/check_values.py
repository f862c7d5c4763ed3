"""Holds values.yaml against the schema of Airflow's Helm chart, which is not ours to ship.

    helm pull apache-airflow/airflow --version 1.22.0 --untar
    python deploy/kubernetes/check_values.py --schema airflow/values.schema.json

The schema lets most unknown keys pass, as Helm does, and a misspelt key is then a setting that is
silently missing. So each key of ours must also be one that the schema names. Run it with the Python
of `make setup`, which has `jsonschema`. Exit status: 0 if all is well, 1 with a line per fault.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator

VALUES = Path(__file__).with_name("values.yaml")


def find_faults(values: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Give a line for every value that the schema refuses and every key that it does not name."""
    refused = [
        f"{error.json_path}: {error.message}"
        for error in Draft7Validator(schema).iter_errors(values)
    ]
    return refused + [f"{path}: the chart knows no such key" for path in _unnamed(values, schema)]


def _unnamed(values: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Walk down as long as the schema names keys; where it takes any key, so do we."""
    pending: list[tuple[str, Any, Any]] = [("$", values, schema)]
    while pending:
        path, value, node = pending.pop()
        node = _resolve(node, schema)
        if isinstance(value, Mapping) and node.get("properties"):
            known, others = node["properties"], node.get("additionalProperties")
            for key, below in value.items():
                if key in known:
                    pending.append((f"{path}.{key}", below, known[key]))
                elif not isinstance(others, Mapping):
                    yield f"{path}.{key}"
        elif isinstance(value, list):
            items = node.get("items", {})
            pending += [(f"{path}[{i}]", below, items) for i, below in enumerate(value)]


def _resolve(node: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ANN401 - JSON
    """Follow references within the schema."""
    while isinstance(node, Mapping) and "$ref" in node:
        found: Any = schema
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node if isinstance(node, Mapping) else {}


def main() -> int:
    """Check, and say what is wrong."""
    parser = argparse.ArgumentParser(description="Check values.yaml against the chart's schema.")
    parser.add_argument("--schema", type=Path, required=True, help="the chart's values.schema.json")
    schema = json.loads(parser.parse_args().schema.read_text(encoding="utf-8"))
    faults = find_faults(yaml.safe_load(VALUES.read_text(encoding="utf-8")), schema)
    sys.stdout.write("".join(f"{fault}\n" for fault in faults) or "values.yaml fits the chart\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
