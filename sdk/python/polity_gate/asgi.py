"""Middleware for ASGI 3 programs (FastAPI, Starlette, Django): every HTTP request is decided before it is handled."""

import asyncio
import functools
import hashlib
import json
import re
import time
from typing import Any, Awaitable, Callable, Dict, List, Mapping, MutableMapping, Optional

from .client import Allowed, Entity, Gate
from .errors import GovernanceDenied, GovernanceSuspended, GovernanceUnavailable
from .governance import _told_off_loop

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
#: Arguments of ``Gate.decide`` for a request; None: it is not governed.
DeedOf = Callable[[Scope], Optional[Mapping[str, Any]]]

EXEMPT = ("/health", "/metrics", "/favicon.ico")
READING = ("GET", "HEAD", "OPTIONS")
#: In which a client comes again with what people have agreed to.
DECISION_HEADER = b"polity-decision"
#: Of the client: draft-ietf-httpapi-idempotency-key-header, section 2. The hub takes as many characters.
KEY_HEADER = b"idempotency-key"
KEY_MAX_CHARS = 256
#: What a part of a path must not have.
UNCLEAR = re.compile(r"[\\;%\x00-\x1f\x7f-\x9f]")
#: Of a request that waits for people; a longer one is asked for anew each time, and takes no key.
BODY_MAX_BYTES = 1024 * 1024
#: The hub's own time for an outcome, and some more: from then on it says itself that the deed is over.
OUTCOME_WITHIN_SECONDS = 300
UNKNOWN_AFTER_SECONDS = 60
RETRY_AFTER_SECONDS = b"1"


class _Failed(Exception):
    """Of an answer that says so itself."""


class _Refused(Exception):
    """What is answered in the place of the program, beside denials; as the hub answers its own clients."""

    status = 409
    code = ""
    detail = ""


class _Conflict(_Refused):
    code = "idempotency.conflict"
    detail = "this idempotency key was used with another request: use a new key"


class _Running(_Refused):
    code = "idempotency.running"
    detail = "the request with this idempotency key is being handled: come again"


class _Unclear(_Refused):
    status, code = 400, "input.malformed"
    detail = "the path can be read in two ways: send it without empty parts, dots alone, backslashes, semicolons, and escapes of these"


class _NoKey(_Refused):
    status, code = 400, "input.invalid"
    detail = "an idempotency key has 1 to %d characters" % KEY_MAX_CHARS


class _TooLong(_Refused):
    status, code = 413, "body.too-large"
    detail = "a request with an idempotency key has a body of at most 1 MiB"


class _Body:
    """Of a request: read ahead where the gate has to know all of it, and given to the program all the same."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read: List[MutableMapping[str, Any]] = []
        self._is_asked = False
        self._digest: Optional[bytes] = None

    async def digest(self) -> Optional[bytes]:
        """None for a body that is longer than what is read ahead, or that broke off."""
        if not self._is_asked:
            # Behind its end nothing comes until the client has gone: it is read once.
            self._is_asked = True
            self._digest = await self._read_ahead()
        return self._digest

    async def _read_ahead(self) -> Optional[bytes]:
        found, size = hashlib.sha256(), 0
        while True:
            message = await self._receive()
            self._read.append(message)
            if message["type"] != "http.request":
                return None
            piece = message.get("body", b"")
            found.update(piece)
            size += len(piece)
            if size > BODY_MAX_BYTES:
                return None
            if not message.get("more_body", False):
                return found.digest()

    async def receive(self) -> MutableMapping[str, Any]:
        return self._read.pop(0) if self._read else await self._receive()


class _UnderWay:
    """Deeds that this process has begun and that may be asked for again, until the hub knows what became of them."""

    def __init__(self) -> None:
        self._until: Dict[str, float] = {}

    def has(self, decision: str) -> bool:
        return self._until.get(decision, 0.0) > time.monotonic()

    def enter(self, decision: str, within_seconds: float) -> None:
        now = time.monotonic()
        # Whether they were done, nobody has said: by now the hub calls them unknown, and lets nobody begin them again.
        for gone in [each for each, until in self._until.items() if until <= now]:
            del self._until[gone]
        self._until[decision] = now + within_seconds + UNKNOWN_AFTER_SECONDS

    def leave(self, decision: str) -> None:
        self._until.pop(decision, None)


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
        self._under_way = _UnderWay()
        self._deed_of = deed_of or functools.partial(_http_deed, subject_of, risk_level)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        body = _Body(receive)
        try:
            allowed = await self._decided(scope, body)
        except GovernanceDenied as denied:
            more = {"reasons": list(denied.reasons)}
            await _refuse(scope, send, 403, "denied", denied.sentence, more)
            return
        except GovernanceSuspended as suspended:
            ticket = await self._ticket(scope, body, suspended.decision)
            await _suspend(scope, send, suspended, ticket)
            return
        except _Refused as refused:
            await _refuse(scope, send, refused.status, refused.code, refused.detail, {})
            return
        except Exception:
            await _refuse(scope, send, 503, "gate.unavailable", "nothing is done while the gate cannot be asked", {})
            return
        if allowed is None:
            await self._app(scope, body.receive, send)
            return
        await self._pass(allowed, scope, body.receive, send)

    async def _decided(self, scope: Scope, body: "_Body") -> Optional[Allowed]:
        """None for what is not governed."""
        deed = self._deed_of(scope)
        if deed is None:
            return None
        key = _client_key(scope, deed)
        waiting = await self._waiting(scope, body, deed)
        if waiting is not None:
            ask = functools.partial(self._gate.look, waiting)
        elif key is not None:
            ask = functools.partial(self._decided_once, await self._named(scope, body, deed, key))
        else:
            ask = functools.partial(self._gate.decide, **dict(deed))
        allowed = await asyncio.get_running_loop().run_in_executor(None, ask)
        if allowed.id is not None and (key is not None or waiting is not None):
            if self._under_way.has(allowed.id):
                raise _Running()
            self._under_way.enter(allowed.id, deed.get("outcome_within_seconds") or OUTCOME_WITHIN_SECONDS)
        return allowed

    async def _named(self, scope: Scope, body: "_Body", deed: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        """The seal makes the request a part of the deed, so that the hub tells another one under the same key from it."""
        form = await _form(scope, body, deed)
        if form is None:
            raise _TooLong()
        properties = dict(deed.get("properties") or {}, requestSeal=self._gate.seal_of(form))
        return {**deed, "properties": properties, "key": self._gate.key_of(_owner(scope, deed), key)}

    def _decided_once(self, deed: Mapping[str, Any]) -> Allowed:
        try:
            return self._gate.decide(**deed)
        except GovernanceSuspended as suspended:
            # Asked for before, maybe: then people may have answered meanwhile.
            return self._gate.look(suspended.decision)
        except GovernanceUnavailable as unavailable:
            if unavailable.code == _Conflict.code:
                raise _Conflict() from unavailable
            raise

    async def _waiting(self, scope: Scope, body: "_Body", deed: Mapping[str, Any]) -> Optional[str]:
        """The decision that the client comes again with, sealed to this very request."""
        tickets = [value for name, value in scope.get("headers", ()) if name.lower() == DECISION_HEADER]
        if len(tickets) != 1:
            return None
        form = await _form(scope, body, deed)
        return None if form is None else self._gate.ticket_of(tickets[0].decode("latin-1"), form)

    async def _ticket(self, scope: Scope, body: "_Body", decision: str) -> Optional[str]:
        if scope["type"] != "http":
            return None
        try:
            form = await _form(scope, body, self._deed_of(scope) or {})
        except Exception:
            # What cannot be sealed is asked for anew.
            return None
        return None if form is None else self._gate.ticket(decision, form)

    async def _pass(self, allowed: Allowed, scope: Scope, receive: Receive, send: Send) -> None:
        statuses = []

        async def noting(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except BaseException as error:
            await self._told(allowed, error)
            raise
        # An answer of 5xx, or none at all, is a failure that was not raised.
        is_done = scope["type"] == "websocket" or (len(statuses) > 0 and statuses[0] < 500)
        await self._told(allowed, None if is_done else _Failed())

    async def _told(self, allowed: Allowed, error: Optional[BaseException]) -> None:
        if await _told_off_loop(allowed, error) and allowed.id is not None:
            self._under_way.leave(allowed.id)


async def _form(scope: Scope, body: _Body, deed: Mapping[str, Any]) -> Optional[bytes]:
    """What people agree to is this request: with another body it is another one."""
    digest = await body.digest()
    if digest is None:
        return None
    told = [dict(deed), scope.get("method"), scope["path"], scope.get("query_string", b"").decode("latin-1")]
    return json.dumps(told, sort_keys=True).encode() + b"\n" + digest


def _client_key(scope: Scope, deed: Mapping[str, Any]) -> Optional[str]:
    """What is only read leaves nothing that a key could be bound to; a key that the program names itself goes before."""
    if scope["type"] != "http" or deed.get("is_read_only") or deed.get("key") is not None:
        return None
    keys = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name.lower() == KEY_HEADER]
    if not keys:
        return None
    key = ", ".join(keys)
    if not 0 < len(key) <= KEY_MAX_CHARS:
        raise _NoKey()
    return key


def _owner(scope: Scope, deed: Mapping[str, Any]) -> str:
    """Whose key it is: whoever the deed is for, or who sent the same credentials where it names nobody."""
    subject = deed.get("subject")
    if subject is not None:
        return json.dumps([subject["type"], subject["id"]])
    credentials = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name.lower() == b"authorization"]
    return json.dumps(credentials)


def _plain_path(path: str) -> str:
    """One name for one path, as at the hub's forward-auth endpoint: what is mounted behind may take "/admin;x" or
    "//admin" for "/admin", and whichever name it had here, rules could be gone around. The server has taken the escapes
    out; what looks like one still was escaped twice."""
    first, *parts = path.split("/")
    if parts and parts[-1] == "":
        parts.pop()
    if first != "" or any(part in ("", ".", "..") or UNCLEAR.search(part) for part in parts):
        raise _Unclear()
    return "/" + "/".join(parts)


def _http_deed(
    subject_of: Optional[Callable[[Scope], Entity]], risk_level: str, scope: Scope
) -> Optional[Dict[str, Any]]:
    if scope["path"] in EXEMPT:
        return None
    path, method = _plain_path(scope["path"]), scope.get("method", "WEBSOCKET")
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
    headers = [(b"content-type", b"application/problem+json")]
    if status == 503 or code == _Running.code:
        headers.append((b"retry-after", RETRY_AFTER_SECONDS))
    await _answer(scope, send, status, problem, headers)


async def _suspend(
    scope: Scope, send: Send, suspended: GovernanceSuspended, ticket: Optional[str]
) -> None:
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
    if ticket is not None:
        headers.append((DECISION_HEADER, ticket.encode("ascii", "replace")))
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
