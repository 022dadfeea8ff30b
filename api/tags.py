"""Answers that are named by what they hold: who has one already gets 304 and no body.

The name is a hash of the body, so it is the same from every replica, and for the same content
whenever that is asked for. It spares the wire, not the question.
"""

from collections.abc import Callable, Coroutine
from hashlib import blake2b
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "What `If-None-Match` names is still the answer"}
}
_HEADER = {
    "ETag": {
        "description": "Send it as `If-None-Match`, and get 304 while nothing has changed",
        "schema": {"type": "string"},
    }
}


class Tagged(APIRoute):
    """A GET route whose answers of 200 carry an ETag."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        responses = {**UNCHANGED, **(options.get("responses") or {})}
        responses[200] = {**responses.get(200, {}), "headers": _HEADER}
        super().__init__(path, endpoint, **options | {"responses": responses})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def tagged(request: Request) -> Response:
            answer = await handle(request)
            if answer.status_code == 200 and "etag" not in answer.headers:
                name = f'"{blake2b(bytes(answer.body), digest_size=12).hexdigest()}"'
                return named(request, answer, name)
            return answer

        return tagged


def named(request: Request, answer: Response, name: str) -> Response:
    """The answer with its name, or 304 to who has it."""
    answer.headers["etag"] = name
    answer.headers.setdefault("cache-control", "private, no-cache")
    if not known(request, name):
        return answer
    kept = {key: answer.headers[key] for key in ("etag", "cache-control")}
    return Response(status_code=304, headers=kept)


def known(request: Request, name: str) -> bool:
    """Does `If-None-Match` have it? Compared weakly: RFC 9110, 13.1.2."""
    asked = request.headers.get("if-none-match")
    if asked is None:
        return False
    names = [one.strip().removeprefix("W/") for one in asked.split(",")]
    return "*" in names or name.removeprefix("W/") in names
