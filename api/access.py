"""What a key may do: `Needs(scope)` where a router is included."""

from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPBearer

from api.clients import identity_of
from api.keys import Scope
from api.problems import Problem

_BEARER = HTTPBearer(auto_error=False, description="A key, `sl_...`; docs/api.md, Keys")

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The request is no HTTP, or a key is in its address"},
    401: {"model": Problem, "description": "No key, or none that is valid"},
    403: {
        "model": Problem,
        "description": "The key may not do this, or a page from elsewhere asks",
    },
    413: {"model": Problem, "description": "The body is too large"},
    429: {"model": Problem, "description": "Too often; `Retry-After` says when again"},
    503: {"model": Problem, "description": "Something that this needs does not answer"},
}


class Needs:
    """A dependency: the key has this scope. Without keys `api/gate.py` has looked already."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def __call__(self, request: Request, _: Annotated[Any, Depends(_BEARER)]) -> None:
        identity = identity_of(request)
        if identity is not None and not identity.key.may(self.scope):
            has = ", ".join(sorted(identity.key.scopes))
            raise HTTPException(
                403, f"this needs a key with the scope {self.scope}; {identity.key.name} has {has}"
            )


def needs(scope: Scope) -> dict[str, Any]:
    """For `include_router`: the dependency, and the answers it can give."""
    return {"dependencies": [Depends(Needs(scope))], "responses": REFUSALS}
