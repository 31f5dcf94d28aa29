"""Middleware for ASGI 3 programs (FastAPI, Starlette, Django): every HTTP request is decided before it is handled."""

import asyncio
import functools
import json
from typing import Any, Awaitable, Callable, Dict, Mapping, MutableMapping, Optional, Tuple

from .client import Allowed, Entity, Gate
from .errors import GovernanceDenied, GovernanceSuspended
from .governance import _told_off_loop

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
#: Arguments of ``Gate.decide`` for a request; None: it is not governed.
DeedOf = Callable[[Scope], Optional[Mapping[str, Any]]]

EXEMPT = ("/health", "/metrics", "/favicon.ico")
READING = ("GET", "HEAD", "OPTIONS")


class _Failed(Exception):
    """Of an answer that says so itself."""


class GovernanceMiddleware:
    """``app.add_middleware(GovernanceMiddleware, gate=Gate(url, token))``, inside of the program's authentication."""

    def __init__(
        self,
        app: App,
        gate: Gate,
        deed_of: Optional[DeedOf] = None,
        subject_of: Optional[Callable[[Scope], Entity]] = None,
        risk_level: str = "medium",
    ) -> None:
        self._app = app
        self._gate = gate
        self._deed_of = deed_of or functools.partial(_http_deed, subject_of, risk_level)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            allowed, is_governed = await self._decided(scope)
        except GovernanceDenied as denied:
            more = {"reasons": list(denied.reasons)}
            await _refuse(scope, send, 403, "denied", denied.sentence, more)
            return
        except GovernanceSuspended as suspended:
            await _suspend(scope, send, suspended)
            return
        except Exception:
            await _refuse(scope, send, 503, "gate.unavailable", "nothing is done while the gate cannot be asked", {})
            return
        if not is_governed or allowed is None:
            await self._app(scope, receive, send)
            return
        await self._pass(allowed, scope, receive, send)

    async def _decided(self, scope: Scope) -> Tuple[Optional[Allowed], bool]:
        deed = self._deed_of(scope)
        if deed is None:
            return None, False
        ask = functools.partial(self._gate.decide, **dict(deed))
        return await asyncio.get_running_loop().run_in_executor(None, ask), True

    async def _pass(self, allowed: Allowed, scope: Scope, receive: Receive, send: Send) -> None:
        statuses = []

        async def noting(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except BaseException as error:
            await _told_off_loop(allowed, error)
            raise
        # An answer of 5xx, or none at all, is a failure that was not raised.
        is_done = scope["type"] == "websocket" or (len(statuses) > 0 and statuses[0] < 500)
        await _told_off_loop(allowed, None if is_done else _Failed())


def _http_deed(
    subject_of: Optional[Callable[[Scope], Entity]], risk_level: str, scope: Scope
) -> Optional[Dict[str, Any]]:
    path, method = scope["path"], scope.get("method", "WEBSOCKET")
    if path in EXEMPT:
        return None
    is_reading = method in READING
    return {
        "action": ("%s:%s" % (method, path))[:128],
        "resource": {"type": "http", "id": path[:256]},
        "subject": None if subject_of is None else subject_of(scope),
        "risk_level": "low" if is_reading else risk_level,
        "is_read_only": is_reading,
    }


async def _refuse(
    scope: Scope, send: Send, status: int, code: str, detail: str, more: Mapping[str, Any]
) -> None:
    problem = dict(more)
    problem.update(type="urn:polity:error:" + code, title=code, status=status, detail=detail, code=code)
    await _answer(scope, send, status, problem, [(b"content-type", b"application/problem+json")])


async def _suspend(scope: Scope, send: Send, suspended: GovernanceSuspended) -> None:
    body = {
        "status": "suspended",
        "decision": suspended.decision,
        "sentence": suspended.sentence,
        "obligations": list(suspended.obligations),
    }
    headers = [
        (b"content-type", b"application/json"),
        (b"location", ("/v1/decisions/" + suspended.decision).encode("ascii", "replace")),
    ]
    await _answer(scope, send, 202, body, headers)


async def _answer(scope: Scope, send: Send, status: int, body: Mapping[str, Any], headers: Any) -> None:
    if scope["type"] == "websocket":
        # Before it was accepted, a close is a refusal of the handshake.
        await send({"type": "websocket.close", "code": 1008})
        return
    raw = json.dumps(body).encode()
    length = (b"content-length", str(len(raw)).encode())
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, length, (b"cache-control", b"no-store")],
        }
    )
    await send({"type": "http.response.body", "body": raw})
