"""Write docs/http-reference.md from the OpenAPI document; ``--check`` only compares.

Usage: ``python scripts/api_page.py [--check]``
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from abreast.interfaces.http.api import make_document
from abreast.interfaces.http.problems import KINDS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "http-reference.md"
HEAD = """<!-- written by scripts/api_page.py from the OpenAPI document -->

# HTTP reference

Every operation of the HTTP API. The same is served as `/api/openapi.json` (OpenAPI 3.1) and
`/api/docs`. How to use it, with examples: [The HTTP API](http-api.md).
"""


def page() -> str:
    """The whole page."""
    document = make_document()
    parts = [HEAD]
    for tag in document["tags"]:
        parts.append(f"## {tag['name'].capitalize()}\n\n{tag['description']}\n")
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    parts.append(_operation(path, method, operation))
    parts.append("## Models\n")
    parts += [_model(name, part) for name, part in document["components"]["schemas"].items()]
    parts.append(_problems())
    return "\n".join(parts)


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    lines = [f"### `{method.upper()} {path}`", "", f"**{operation['summary']}.**"]
    lines += ["", operation["description"].strip(), ""]
    parameters = list(_parameters(operation))
    if parameters:
        lines += ["| parameter | in | type | |", "|---|---|---|---|", *parameters, ""]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        lines += [f"Body: {_type(content['schema'])}", ""]
    lines += ["| answer | | |", "|---|---|---|", *_answers(operation), ""]
    return "\n".join(lines)


def _parameters(operation: dict[str, Any]) -> Iterator[str]:
    for item in operation.get("parameters", ()):
        said = item.get("description") or item["schema"].get("description", "")
        yield f"| `{item['name']}` | {item['in']} | {_type(item['schema'])} | {said} |"


def _answers(operation: dict[str, Any]) -> Iterator[str]:
    problems = []
    for status, said in operation["responses"].items():
        if "application/problem+json" in said.get("content", {}):
            problems.append(status)
            continue
        kinds = [
            f"`{kind}`" if kind != "application/json" else _type(content["schema"])
            for kind, content in said.get("content", {}).items()
        ]
        yield f"| {status} | {' or '.join(kinds)} | {said['description']} |"
    if problems:
        yield f"| {', '.join(problems)} | [Problem](#problem-model) | |"


def _model(name: str, part: dict[str, Any]) -> str:
    said = part.get("description", "").strip().replace("``", "`")
    lines = [f"### {name} (model)", "", said, "", "| member | type | |", "|---|---|---|"]
    required = part.get("required", ())
    for member, value in part.get("properties", {}).items():
        text = str(value.get("description", "")).replace("|", "\\|").replace("``", "`")
        if "default" in value and member not in required and value["default"] is not None:
            text = f"{text} Default: `{_literal(value['default'])}`.".strip()
        lines.append(f"| `{member}` | {_type(value)} | {text} |")
    return "\n".join([*lines, ""])


def _literal(value: Any) -> str:
    return {True: "true", False: "false"}.get(value, str(value)) if value in (0, 1) else str(value)


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()}-model)"  # sections have the same names
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(item) for item in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{item}`" for item in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "any value")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"map to {_type(schema['additionalProperties'])}"
    return {"date-time": "time"}.get(str(schema.get("format")), str(kind))


def _problems() -> str:
    lines = ["## Kinds of problems", "", "| type | status | | what to do |", "|---|---|---|---|"]
    lines += [
        f"| `/api/problems/{name}` | {kind.status} | {kind.title} | {kind.advice} |"
        for name, kind in sorted(KINDS.items(), key=lambda item: item[1].status)
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
            sys.exit("docs/http-reference.md is stale: run python scripts/api_page.py")
    else:
        PAGE.write_text(page(), encoding="utf-8")
