"""Everything passes here first: keys in addresses, sizes, rates, and who is it.

Plain ASGI, so that streams pass through untouched. What is not in `OPEN` needs a key, or, without
keys, a program on this machine; a path that does not exist too, so a new route is closed until
somebody says otherwise. What a key may do is said where routers are included: `api/access.py`.
"""

import asyncio
import logging
from contextlib import suppress
from urllib.parse import unquote_plus

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.clients import STATE, Identity, address_of, client_of
from api.keyring import FRESH_SECONDS, Keyring, Unknowable
from api.keys import holds_key
from api.loopback import is_local
from api.pages import PAGES
from api.problems import ProblemResponse, problem
from api.rates import Rate
from api.session import cookie_of
from schemas.sections.api import ApiSettings

log = logging.getLogger(__name__)

_SHELLS = [route for route, _ in PAGES.values()]
OPEN = ("/health", "/ready", "/openapi.json", *(route for route in _SHELLS if "{" not in route))
"""Answered without a key: none of it is anybody's secret. Pages are empty until they have asked;
what balances load has no key."""
OPEN_FOLDERS = ("/static/", *(route.partition("{")[0] for route in _SHELLS if "{" in route))
SAFE = ("GET", "HEAD", "OPTIONS")
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="steamline"'}


def is_open(path: str) -> bool:
    return path in OPEN or path.startswith(OPEN_FOLDERS)


class Gate:
    """Lets a request through, or answers it."""

    def __init__(self, app: ASGIApp, settings: ApiSettings, keyring: Keyring | None) -> None:
        """keyring: None where no keys are asked for."""
        self._app = app
        self._keyring = keyring
        self._max_head, self._max_body = settings.max_head, settings.max_body
        self._of_keys = Rate(settings.key_requests)
        self._of_addresses = Rate(settings.address_requests)
        self._failures = Rate(settings.address_failures)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        refusal = self._refusal(request)
        if refusal is None and self._keyring is not None:
            refusal = await self._admit(request, self._keyring)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        receive = _limited(receive, self._max_body)
        identity = scope.get("state", {}).get(STATE)
        if self._keyring is None or identity is None:
            await self._app(scope, receive, send)
        else:
            await self._while_good(self._keyring, identity, scope, receive, send)

    def _refusal(self, request: Request) -> ProblemResponse | None:
        if _holds_key(request.scope):
            log.warning("a key in an address from %s: refused", address_of(request))
            return problem(
                request,
                400,
                "a key stands in the address, where logs and histories keep it: rotate it, and "
                "send it as `Authorization: Bearer ...`",
            )
        if _head_size(request.scope) > self._max_head:
            return problem(
                request,
                431,
                f"the head is larger than {self._max_head} bytes (STEAMLINE_API_MAX_HEAD)",
            )
        length = request.headers.get("content-length", "0")
        if length.isdigit() and int(length[:19]) > self._max_body:
            return problem(request, 413, _too_large(self._max_body))
        if self._keyring is None and not is_open(request.url.path) and not is_local(request):
            return problem(
                request,
                403,
                "answers go to programs and pages on this machine alone: STEAMLINE_API_AUTH=keys "
                "opens it to whoever has a key",
            )
        return None

    async def _admit(self, request: Request, keyring: Keyring) -> ProblemResponse | None:
        """Find out who asks; None where they may go on."""
        address = address_of(request)
        if (wait := self._of_addresses.take(address)) is not None:
            return _later(request, "this address asks too often", wait)
        if is_open(request.url.path):
            return None
        bearer, token = _bearer(request), cookie_of(request)
        try:
            if bearer is not None:
                if (wait := self._failures.wait(address)) is not None:
                    return _later(request, "too many wrong keys from this address", wait)
                token, key = None, await keyring.of_key(bearer)
                if key is None:
                    self._failures.take(address)
                    log.info("no valid key from %s", address)
            else:
                key = None if token is None else await keyring.of_session(token)
        except Unknowable:
            return problem(
                request,
                503,
                "Postgres does not answer, so this key cannot be looked up: nothing is let in that "
                "was not known before. Try again",
                headers={"Retry-After": "2"},
            )
        if key is None:
            asked = bearer is not None or token is not None
            detail = "is missing: send `Authorization: Bearer sl_...`, or sign in on the page"
            wrong = "is not valid: wrong, expired or revoked"
            return problem(request, 401, f"a key {wrong if asked else detail}", headers=CHALLENGE)
        if token is not None and request.method not in SAFE and not _same_origin(request):
            return problem(
                request,
                403,
                "a page from elsewhere may not do this for a signed-in browser: `Origin` is not "
                f"{request.url.scheme}://{request.url.netloc} (behind a proxy, see "
                "STEAMLINE_API_PROXIES)",
            )
        request.scope.setdefault("state", {})[STATE] = Identity(key, token)
        if (wait := self._of_keys.take(client_of(request))) is not None:
            return _later(request, "this key asks too often", wait)
        return None

    async def _while_good(
        self, keyring: Keyring, identity: Identity, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer, and end an answer that outlives its key."""
        open_body = False

        async def sending(message: Message) -> None:
            nonlocal open_body
            open_body = bool(message.get("more_body", message["type"] == "http.response.start"))
            await send(message)

        answering = asyncio.ensure_future(self._app(scope, receive, sending))
        try:
            while not (await asyncio.wait({answering}, timeout=FRESH_SECONDS))[0]:
                if open_body and not await keyring.still(identity.key.key_id, identity.token):
                    log.info("key %s is good no more: its stream ends", identity.key.key_id)
                    break
        finally:
            if not answering.done():
                answering.cancel()
                with suppress(asyncio.CancelledError):
                    await answering
                if open_body:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        if not answering.cancelled():
            answering.result()


def _bearer(request: HTTPConnection) -> str | None:
    """What stands in `Authorization`; a scheme of another kind is a wrong key."""
    value = request.headers.get("authorization")
    if value is None:
        return None
    scheme, _, key = value.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _holds_key(scope: Scope) -> bool:
    query = scope.get("query_string", b"").decode("latin-1")
    return any(holds_key(one) for one in (scope["path"], query, unquote_plus(query)))


def _head_size(scope: Scope) -> int:
    """About what came over the line; uvicorn's own limit passes over a head that came in one go."""
    headers = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    return headers + len(scope.get("raw_path") or b"") + len(scope.get("query_string", b""))


def _same_origin(request: Request) -> bool:
    mine = f"{request.url.scheme}://{request.url.netloc}"
    return request.headers.get("origin", "").lower() == mine.lower()


def _later(request: Request, detail: str, wait: int) -> ProblemResponse:
    headers = {"Retry-After": str(wait)}
    return problem(request, 429, f"{detail}: again in {wait} s", headers=headers)


def _too_large(limit: int) -> str:
    return f"the body is larger than {limit} bytes (STEAMLINE_API_MAX_BODY)"


def _limited(receive: Receive, limit: int) -> Receive:
    """A body whose length was not announced, or announced too small."""
    seen = 0

    async def receiving() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise HTTPException(413, _too_large(limit))
        return message

    return receiving
