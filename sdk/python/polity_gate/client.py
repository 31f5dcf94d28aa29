"""A client of the gate that trusts no answer that it cannot read. Standard library only."""

import json
import time
import urllib.error
import urllib.request
import uuid
from http.client import HTTPException
from typing import Any, Dict, List, Mapping, Optional, Tuple
from urllib.parse import quote, urlsplit

from .errors import GovernanceDenied, GovernanceSuspended, GovernanceUnavailable
from .ticket import issue_ticket, key_name, read_ticket, request_seal

ANSWER_MAX_BYTES = 256 * 1024
POLL_SECONDS = 2.0
RISKS = ("low", "medium", "high", "critical")
Entity = Mapping[str, Any]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token goes to the hub that was named, and to no other."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


# Without what the environment says of proxies: the gate is asked directly.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


class Allowed:
    """What may be done now. ``id`` is absent for what is only read."""

    def __init__(self, gate: "Gate", decision: Optional[str]) -> None:
        self._gate = gate
        self._is_reported = decision is None
        self.id = decision

    def done(self, cost: Optional[int] = None) -> None:
        """Tells the hub that it was done; once, what was told before stands."""
        self._report("done", cost=cost)

    def failed(self, code: Optional[str] = None, message: Optional[str] = None, cost: Optional[int] = None) -> None:
        """Tells the hub that it failed. The message is public: it stands in the log."""
        self._report("failed", code=code, message=message, cost=cost)

    def _report(self, status: str, **told: Any) -> None:
        if self._is_reported or self.id is None:
            return
        self._is_reported = True
        self._gate.report(self.id, status, **told)


class Gate:
    """Where the hub is, and who asks. ``timeout`` is of one request, in seconds."""

    def __init__(
        self,
        url: str,
        token: str,
        timeout: float = 5.0,
        subject: Optional[Entity] = None,
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("the url of a hub begins with http:// or https://")
        self._url = url.rstrip("/")
        self._token = token
        self._timeout = timeout
        #: On whose behalf, where a call names nobody; None: the program, as its token says, for itself.
        self.subject = subject

    def decide(
        self,
        action: str,
        resource: Entity,
        subject: Optional[Entity] = None,
        risk_level: Optional[str] = None,
        is_autonomous: bool = False,
        is_read_only: bool = False,
        conduct: Optional[Mapping[str, Any]] = None,
        actor_label: Optional[str] = None,
        properties: Optional[Mapping[str, Any]] = None,
        outcome_within_seconds: Optional[int] = None,
        key: Optional[str] = None,
    ) -> Allowed:
        """
        Answers what may be done. Without a risk level it is high, and low for what is only read. Raises GovernanceDenied,
        GovernanceSuspended or GovernanceUnavailable.
        """
        if risk_level is not None and risk_level not in RISKS:
            raise ValueError("a risk level is one of " + ", ".join(RISKS))
        who = subject or self.subject
        body = {
            **({} if who is None else {"subject": dict(who)}),
            "resource": dict(resource),
            "action": {
                "name": action,
                "properties": _given(
                    dict(properties or {}),
                    risk=risk_level,
                    autonomous=True if is_autonomous else None,
                    readOnly=True if is_read_only else None,
                    outcomeWithinSeconds=outcome_within_seconds,
                ),
            },
            "context": _given({}, conduct=None if conduct is None else dict(conduct), actorLabel=actor_label),
        }
        status, answer = self._ask("POST", "/v1/decisions", body, key)
        return self._allowed(status, answer, is_read_only)

    def look(self, decision: str, key: Optional[str] = None) -> Allowed:
        """What people have agreed to, once. Raises as ``decide``; GovernanceSuspended while they have not answered."""
        status, answer = self._ask("GET", "/v1/decisions/" + quote(decision, safe=""), None, key)
        return self._allowed(status, answer, False)

    def wait(self, decision: str, seconds: float, poll_seconds: float = POLL_SECONDS) -> Allowed:
        """As ``look``, until people have answered, or for so many seconds."""
        key = uuid.uuid4().hex
        until = time.monotonic() + seconds
        looks = 0
        while True:
            try:
                return self.look(decision, "%s-%d" % (key, looks))
            except GovernanceSuspended:
                left = until - time.monotonic()
                # What is handed out once must not be lost with an answer: the same key, until one has come.
                looks += 1
                if left <= 0:
                    raise
            except GovernanceUnavailable as lost:
                left = until - time.monotonic()
                if lost.status is not None or left <= 0:
                    raise
            time.sleep(min(poll_seconds, left))

    def ticket(self, decision: str, form: bytes) -> str:
        """What a client comes again with, once people have agreed: good for a request of this form alone."""
        return issue_ticket(self._token, decision, form)

    def ticket_of(self, ticket: str, form: bytes) -> Optional[str]:
        """The decision that a program with the same token issued it for; None for what is no such ticket."""
        return read_ticket(self._token, ticket, form)

    def key_of(self, owner: str, key: str) -> str:
        """What a client's own idempotency key is called at the hub: apart from anybody else's, and from the program's own."""
        return key_name(self._token, owner, key)

    def seal_of(self, form: bytes) -> str:
        """Of a request of this form: nobody can search it for what was sent."""
        return request_seal(self._token, form)

    def report(
        self,
        decision: str,
        status: str,
        code: Optional[str] = None,
        message: Optional[str] = None,
        cost: Optional[int] = None,
    ) -> None:
        """``status`` is done or failed. Raises GovernanceUnavailable where the hub does not take it."""
        body = _given({"status": status}, code=code, message=_plain(message), cost=cost)
        path = "/v1/decisions/" + quote(decision, safe="") + "/outcome"
        answered, answer = self._ask("POST", path, body, None)
        if answered == 200 or (answered == 409 and answer.get("code") == "outside.reported"):
            return
        raise GovernanceUnavailable("the outcome was not taken: %s" % answer.get("detail", answered), answered)

    def _allowed(self, status: int, answer: Mapping[str, Any], is_read_only: bool) -> Allowed:
        context = answer.get("context")
        if not isinstance(context, dict):
            context = {}
        decision, effect = context.get("id"), context.get("effect")
        sentence = _text(context.get("sentence")) or "the gate said no"
        if status not in (200, 202) or not isinstance(answer.get("decision"), bool):
            raise GovernanceUnavailable(
                "the hub answered no decision: %s" % answer.get("detail", status), status, _text(answer.get("code"))
            )
        if answer["decision"] is True:
            has_id = isinstance(decision, str) and decision != ""
            if status != 200 or effect != "allow" or not (has_id or is_read_only):
                raise GovernanceUnavailable("the hub answered a decision that contradicts itself", status)
            return Allowed(self, decision if has_id else None)
        if effect == "suspended" and isinstance(decision, str):
            raise GovernanceSuspended(sentence, decision, _texts(context.get("obligations")))
        if context.get("isTaken") is True:
            # Of what was handed out the sentence says why it was allowed.
            sentence = "people agreed to this once, and it was handed out: whether it was done, the program knows"
        raise GovernanceDenied(sentence, _texts(context.get("reasons")), _text(decision))

    def _ask(
        self, method: str, path: str, body: Optional[Mapping[str, Any]], key: Optional[str]
    ) -> Tuple[int, Dict[str, Any]]:
        headers = {"Authorization": "Bearer " + self._token, "Accept": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            try:
                data = json.dumps(body, allow_nan=False).encode()
            except (TypeError, ValueError) as error:
                raise GovernanceUnavailable("what was to be asked is no JSON: %s" % error) from error
        request = urllib.request.Request(self._url + path, data=data, headers=headers, method=method)
        try:
            with _OPENER.open(request, timeout=self._timeout) as response:
                return response.status, _parsed(_bounded(response, self._timeout))
        except urllib.error.HTTPError as error:
            with error:
                try:
                    return error.code, _parsed(_bounded(error, self._timeout))
                except (OSError, HTTPException) as broken:
                    raise GovernanceUnavailable("the hub did not answer: %s" % broken) from broken
        except (OSError, HTTPException, ValueError) as error:
            raise GovernanceUnavailable("the hub did not answer: %s" % error) from error


def reading(url: str) -> Dict[str, str]:
    """The resource that a URL names: its host and path, without the query."""
    parts = urlsplit(url)
    return {"type": "http", "id": (parts.netloc + parts.path)[:256]}


def _bounded(response: Any, timeout: float) -> bytes:
    """A timeout of the socket is of each piece: the whole has one, too."""
    until = time.monotonic() + timeout
    chunks: List[bytes] = []
    size = 0
    while True:
        chunk = response.read1(65536) if hasattr(response, "read1") else response.read(65536)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        size += len(chunk)
        if size > ANSWER_MAX_BYTES:
            raise GovernanceUnavailable("the answer of the hub is too large to be one")
        if time.monotonic() > until:
            raise GovernanceUnavailable("the hub did not answer in time")


def _parsed(raw: bytes) -> Dict[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _given(base: Dict[str, Any], **more: Any) -> Dict[str, Any]:
    base.update({name: value for name, value in more.items() if value is not None})
    return base


def _plain(message: Optional[str]) -> Optional[str]:
    if message is None:
        return None
    kept = "".join(each for each in message if each.isprintable())
    return kept.encode("utf-8", "replace").decode()[:200] or None


def _text(value: Any) -> Optional[str]:
    return value if isinstance(value, str) and value != "" else None


def _texts(value: Any) -> Tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()
