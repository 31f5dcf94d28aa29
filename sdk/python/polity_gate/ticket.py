"""What a client comes again with: the id of a suspended decision, sealed to the request that it was asked for, or a key of its own."""

import hashlib
import hmac
import json
import re
from typing import Optional

_TICKET = re.compile(r"([0-9a-z-]{1,64})\.([0-9a-f]{64})\Z")


def issue_ticket(secret: str, decision: str, form: bytes) -> str:
    """``form`` is of the whole request: what people agree to serves for this one alone."""
    return decision + "." + _seal(secret, decision, form)


def read_ticket(secret: str, ticket: str, form: bytes) -> Optional[str]:
    """
    The decision; None for a ticket that is none, or of another request. Nothing is kept, so what waits for people outlives
    a restart, and another instance of the program may go on with it.
    """
    found = _TICKET.match(ticket)
    if found is None:
        return None
    decision, seal = found.groups()
    return decision if hmac.compare_digest(seal, _seal(secret, decision, form)) else None


def key_name(secret: str, owner: str, key: str) -> str:
    """What a client's own key is called at the hub: another name than that of anybody else's, and of the program's own."""
    return hmac.new(_key(secret, b"idempotency key"), json.dumps([owner, key]).encode(), hashlib.sha256).hexdigest()


def request_seal(secret: str, form: bytes) -> str:
    """The same for the same request, and nobody can search it for what was sent."""
    return hmac.new(_key(secret, b"request"), form, hashlib.sha256).hexdigest()


def _seal(secret: str, decision: str, form: bytes) -> str:
    return hmac.new(_key(secret, b"ticket"), decision.encode() + b"\n" + form, hashlib.sha256).hexdigest()


def _key(secret: str, purpose: bytes) -> bytes:
    # Of its own, so that no ticket says anything about whatever else the secret is for.
    return hmac.new(secret.encode(), b"polity " + purpose + b" 1", hashlib.sha256).digest()
