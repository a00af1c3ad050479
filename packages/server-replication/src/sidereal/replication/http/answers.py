"""Answers of the HTTP endpoint: JSON, and problem details for whatever goes wrong."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sidereal.protocol.errors import StoreError, UnavailableError
from sidereal.protocol.runtime.process import fields
from sidereal.replication.http.access import BearerError
from sidereal.replication.http.credentials import FormError
from sidereal.replication.http.passwords import BusyError
from sidereal.replication.http.problems import PROBLEM_TYPE, describe_problem
from sidereal.replication.keeping.tables import NameTakenError

NOT_KEPT: Final = {"cache-control": "no-store"}
"""Answers hold tokens and what is true now."""

_log = logging.getLogger("sidereal.http")


class Problem(Exception):
    """An answer that says what went wrong."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        wrong: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.wrong = dict(wrong or {})
        self.headers = dict(headers or {})


def too_many(what: str, wait_s: float) -> Problem:
    """Say that somebody has tried too often, and when to come back."""
    seconds = math.ceil(wait_s)
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"{what}; try again in {seconds} s",
        headers={"retry-after": str(seconds)},
    )


def answer_json(content: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Answer with JSON; bytes are JSON already."""
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return Response(body, status, NOT_KEPT, media_type="application/json")


def _answer(
    status: int,
    detail: str,
    wrong: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = describe_problem(status, detail, wrong)
    return Response(body, status, {**NOT_KEPT, **(headers or {})}, media_type=PROBLEM_TYPE)


async def _answer_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _answer(error.status, str(error), error.wrong, error.headers)


async def _answer_form_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, FormError)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if error.fields else HTTPStatus.BAD_REQUEST
    return _answer(status, str(error), error.fields)


async def _answer_bearer_error(_request: Request, error: Exception) -> Response:
    headers = {"www-authenticate": "Bearer"}
    return _answer(HTTPStatus.UNAUTHORIZED, str(error), headers=headers)


async def _answer_unavailable(_request: Request, error: Exception) -> Response:
    if isinstance(error, NameTakenError):
        return _answer(HTTPStatus.CONFLICT, str(error), {"name": "is taken"})
    detail = "accounts are unavailable now" if isinstance(error, StoreError) else str(error)
    return _answer(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"retry-after": "2"})


async def _answer_http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _answer(error.status_code, error.detail, headers=error.headers)


async def _answer_failure(request: Request, error: Exception) -> Response:
    _log.error("http_failed %s", fields(path=request.scope["path"]), exc_info=error)
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says how")


ANSWERS: Final[Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]]] = {
    Problem: _answer_problem,
    FormError: _answer_form_error,
    BearerError: _answer_bearer_error,
    StoreError: _answer_unavailable,
    BusyError: _answer_unavailable,
    UnavailableError: _answer_unavailable,
    HTTPException: _answer_http_exception,
    Exception: _answer_failure,
}
"""What each error is answered with."""
