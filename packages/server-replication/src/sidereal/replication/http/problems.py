"""Problem details, RFC 9457: what every answer that says no looks like."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec

PROBLEM_TYPE: Final = "application/problem+json"


def describe_problem(status: int, detail: str, fields: Mapping[str, str] | None = None) -> bytes:
    """Write the body of an answer that says no.

    Args:
        status: of the answer.
        detail: what went wrong, for people.
        fields: what is wrong, by field of the form.
    """
    content: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
    }
    if fields:
        content["errors"] = [
            {"field": name, "pointer": f"#/{name}", "detail": text} for name, text in fields.items()
        ]
    return msgspec.json.encode(content)
