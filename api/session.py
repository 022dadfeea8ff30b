"""Signing a browser in: its pages' `EventSource` can send no header, but a cookie.

The cookie is a random token that Postgres knows by its hash, so it is good on every replica, says
nothing of the key, and ends with it.
"""

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from api.clients import identity_of
from api.keyring import Keyring, Unknowable
from api.keys import Scope


class SignedIn(BaseModel):
    name: str
    """Of the key."""
    scopes: list[Scope]
    expires_us: int | None
    """When the key does."""


def cookie_of(request: HTTPConnection) -> str | None:
    return request.cookies.get(_name(request))


def _name(request: HTTPConnection) -> str:
    # The prefix makes browsers refuse the cookie from a neighbouring host or over plain HTTP.
    return "__Host-steamline" if request.url.scheme == "https" else "steamline"


def build(keyring: Keyring, hours: float) -> APIRouter:
    """hours: how long a browser stays signed in."""
    router = APIRouter(tags=["session"])

    @router.post("/v1/session", status_code=201)
    async def sign_in(request: Request, response: Response) -> SignedIn:
        """The key in `Authorization`, for a cookie that the browser sends by itself."""
        identity = identity_of(request)
        if identity is None or identity.token is not None:
            raise HTTPException(401, "signing in needs the key: `Authorization: Bearer sl_...`")
        key = identity.key
        try:
            token = await keyring.begin_session(key, hours)
        except Unknowable:
            raise HTTPException(503, "Postgres does not answer: nobody is signed in") from None
        response.set_cookie(
            _name(request),
            token,
            max_age=round(hours * 3600),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return SignedIn(name=key.name, scopes=sorted(key.scopes), expires_us=key.expires_us)

    @router.delete("/v1/session", status_code=204)
    async def sign_out(request: Request, response: Response) -> None:
        """Ends the session, on every replica."""
        identity = identity_of(request)
        try:
            if identity is not None and identity.token is not None:
                await keyring.end_session(identity.token)
        except Unknowable:
            raise HTTPException(503, "Postgres does not answer: still signed in") from None
        response.delete_cookie(
            _name(request),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )

    return router
