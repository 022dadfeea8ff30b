"""The OpenAPI document: errors under their own media type, ids that stay, words on every tag."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from api.problems import ProblemResponse

_PROBLEM = "#/components/schemas/Problem"
_FRAMEWORKS_OWN = "#/components/schemas/HTTPValidationError"
_NO_JSON = {
    "description": "The body is no JSON",
    "content": {ProblemResponse.media_type: {"schema": {"$ref": _PROBLEM}}},
}
TAGS = [
    {"name": "feed", "description": "The live board by Server-Sent Events"},
    {"name": "board", "description": "Today's games as they stand now"},
    {"name": "history", "description": "What was said about a game, from Postgres"},
    {"name": "decisions", "description": "Predictions, stakes and alerts, from Postgres"},
    {"name": "bets", "description": "Bets that were made, and how they were graded"},
    {"name": "bankrolls", "description": "The ledger"},
    {"name": "models", "description": "Versions, quality and experiments"},
    {"name": "backtests", "description": "Tear sheets"},
    {"name": "staking", "description": "The Kelly calculator, and bets to be recorded"},
    {"name": "operations", "description": "Lag, ages, dead letters, metrics"},
    {"name": "health", "description": "For whoever keeps the process alive"},
]


def operation_id(route: APIRoute) -> str:
    """The name of the function: it stays when a path or a tag changes."""
    return route.name


def describe(app: FastAPI) -> None:
    """FastAPI lists every answer under the media type of the route's good one."""
    make = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = make()
            for path in document["paths"].values():
                for operation in path.values():
                    if "requestBody" in operation:
                        operation["responses"]["400"] = _NO_JSON
                    _correct(operation["responses"])
            for unused in ("HTTPValidationError", "ValidationError"):
                document["components"]["schemas"].pop(unused, None)
        return app.openapi_schema or make()

    app.openapi = described  # type: ignore[method-assign]


def _correct(responses: dict[str, Any]) -> None:
    for status, answer in responses.items():
        content = answer.get("content", {})
        named = {one.get("schema", {}).get("$ref") for one in content.values()}
        if named & {_PROBLEM, _FRAMEWORKS_OWN}:
            answer["content"] = {ProblemResponse.media_type: {"schema": {"$ref": _PROBLEM}}}
        if _FRAMEWORKS_OWN in named:
            responses[status] = answer | {"description": "A parameter or the body is wrong"}
