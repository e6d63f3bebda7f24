"""The API reference as one page of HTML without scripts, so that it works without internet."""

from __future__ import annotations

import json
from html import escape
from typing import Any

_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}pre{background:#8881;padding:.7rem;overflow:auto}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;
border-top:1px solid #8884}h2{margin-top:2.5rem}:root{color-scheme:light dark}"""


def page(document: dict[str, Any]) -> str:
    """The reference for an OpenAPI document of ``serving.http.openapi``."""
    info = document["info"]
    operations = [
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = [_schema(name, schema) for name, schema in document["components"]["schemas"].items()]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])}</p>"
        f'<p>For programs: <a href="openapi.json">openapi.json</a>.</p>{"".join(operations)}'
        f"<h2>Types</h2>{''.join(schemas)}</html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation['summary'])}"]
    if "description" in operation:
        parts.append(f" {escape(operation['description'])}")
    parts.append("</p>")
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        parts.append(
            f"<p>Body: {_type(content['schema'])}, for example</p><pre>{escape(json.dumps(content['example']))}</pre>"
        )
    rows = "".join(
        f"<tr><td>{status}<td>{_content(response)}<td>{escape(response['description'])}"
        for status, response in operation["responses"].items()
    )
    parts.append(f"<table><tr><th>Status<th>Body<th>Meaning{rows}</table>")
    return "".join(parts)


def _content(response: dict[str, Any]) -> str:
    (content,) = response["content"].values()
    return _type(content["schema"])


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code><td>{_type(kind)}<td>{'yes' if field in required else 'no'}"
        f"<td>{escape(kind.get('description', ''))}"
        for field, kind in schema["properties"].items()
    )
    return (
        f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{escape(schema.get("description", ""))}</p>'
        f"<table><tr><th>Field<th>Type<th>Required<th>Meaning{rows}</table>"
    )


def _type(schema: dict[str, Any]) -> str:
    """A JSON Schema in a few words."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[1])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema["enum"])
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}"
    if schema["type"] == "object":
        return f"object of {_type(schema['additionalProperties'])}"
    return escape(str(schema["type"]))
