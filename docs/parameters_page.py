"""Print the page of all parameters in Markdown: `python docs/parameters_page.py`."""

import json
from collections.abc import Iterator
from typing import Any

from disentangled_audio.parameters import GROUPS, Parameters

LIMITS = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
NAMES = {
    "string": "text",
    "boolean": "true or false",
    "null": "null",
    "object": "any keys",
    "array": "list",
}


def parameters_page() -> str:
    """Return a table for each group by its key in `conf`, and for each model within."""
    sections = [part for name, model in GROUPS.items() for part in _sections(name, model)]
    # A model that several groups use has the same section each time.
    return "\n".join(["# Parameters\n", *dict.fromkeys(sections)])


def _sections(name: str, model: type[Parameters]) -> Iterator[str]:
    schema = model.model_json_schema()
    yield _section(name, schema)
    groups = {
        value["$ref"].rpartition("/")[2]: f"{name}.{key}"
        for key, value in schema["properties"].items()
        if "$ref" in value
    }
    for kind, part in schema.get("$defs", {}).items():
        yield _section(groups.get(kind, kind), part)


def _section(title: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = [
        f"| `{key}` | {_kind(value)} | {_default(key in required, value)} | "
        f"{_line(value['description'])} |"
        for key, value in schema["properties"].items()
    ]
    head = ["| Name | Type | Default | Meaning |", "|---|---|---|---|"]
    return "\n".join([f"## `{title}`\n", f"{_line(schema['description'])}\n", *head, *rows, ""])


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _default(is_required: bool, schema: dict[str, Any]) -> str:
    if is_required:
        return "required"
    if "$ref" in schema:
        return "see below"
    return f"`{json.dumps(schema['default'], ensure_ascii=False)}`"


def _kind(schema: dict[str, Any]) -> str:
    """Say in words what a value may be."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(map(_kind, schema[several]))
    if "items" in schema:
        return f"list of {_kind(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"{_kind(schema['additionalProperties'])} by name"
    limits = [f"{sign} {schema[limit]:g}" for limit, sign in LIMITS.items() if limit in schema]
    return ", ".join([NAMES.get(schema["type"], schema["type"]), *limits])


if __name__ == "__main__":
    print(parameters_page())
