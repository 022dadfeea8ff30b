"""Errors as problem details (RFC 9457)."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route


class BadInput(BaseModel):
    """One thing wrong with a request."""

    where: str = Field(examples=["query.market.0"])
    problem: str


class Problem(BaseModel):
    """What every error answer holds, as `application/problem+json`."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["no game mlb-2026-07-20-BOS-NYY-1 on the board"])
    instance: str = Field(examples=["/v1/games/mlb-2026-07-20-BOS-NYY-1"])
    errors: list[BadInput] | None = None


REFUSED: dict[int | str, dict[str, Any]] = {
    503: {"model": Problem, "description": "Postgres is not configured or does not answer"}
}
"""What a route that asks Postgres may answer instead."""


class ProblemResponse(JSONResponse):
    media_type = "application/problem+json"


def _answer(
    request: Request, status: int, detail: str, errors: list[BadInput] | None = None
) -> ProblemResponse:
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        errors=errors,
    )
    return ProblemResponse(problem.model_dump(exclude_none=True), status_code=status)


def _methods(app: FastAPI, request: Request) -> set[str]:
    """Of all routes with this path: the router names those of the first one alone."""
    return {
        method
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, Route | APIRoute)
        and route.original_route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }


def install(app: FastAPI) -> None:
    """Every error of the app becomes a problem document."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> ProblemResponse:
        answer = _answer(request, error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            answer.headers["Allow"] = ", ".join(sorted(_methods(app, request)))
        return answer

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> ProblemResponse:
        # The value itself is not repeated: it may be a secret in the wrong place.
        errors = [
            BadInput(where=".".join(str(part) for part in one["loc"]), problem=one["msg"])
            for one in error.errors()
        ]
        return _answer(request, 422, f"{errors[0].where}: {errors[0].problem}", errors)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> ProblemResponse:
        return _answer(request, 500, "an error of the server's own; its log has the cause")
