"""Makes the API reference: one page of HTML without scripts, so that it works without internet."""

from __future__ import annotations

import json
import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


def page(document: dict[str, Any]) -> str:
    """Make the page of an OpenAPI document of ``serving.http.openapi``."""
    templates = Environment(
        loader=PackageLoader("serving.http"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"as_json": json.dumps, "prose": _prose}
    return templates.get_template("reference.html").render(document)


def _prose(text: str) -> Markup:
    """Text with what stands between backticks as code."""
    return Markup(re.sub(r"(`+)(.+?)\1", r"<code>\2</code>", str(escape(text))))  # noqa: S704 - escaped just before
