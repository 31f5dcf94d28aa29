"""The decorator, and the checks under the names of older programs."""

import asyncio
import functools
import inspect
import logging
import re
from typing import Any, Callable, Mapping, Optional, TypeVar, Union, cast

from .client import Allowed, Entity, Gate
from .errors import GovernanceError, GovernanceSuspended, GovernanceUnavailable

F = TypeVar("F", bound=Callable[..., Any])
Resource = Union[Entity, Callable[..., Entity]]

_NOT_IN_CODES = re.compile(r"[^A-Za-z0-9._:-]|^_+")
_LOG = logging.getLogger("polity_gate")
_DEFAULT: Optional[Gate] = None


def configure(gate: Gate) -> None:
    """The gate of whatever names none."""
    global _DEFAULT
    _DEFAULT = gate


def _gate(gate: Optional[Gate]) -> Gate:
    chosen = gate or _DEFAULT
    if chosen is None:
        raise GovernanceUnavailable("no gate is configured: polity_gate.configure(Gate(url, token))")
    return chosen


def require_governance(
    action: str,
    risk_level: str = "high",
    is_autonomous: bool = False,
    resource: Optional[Resource] = None,
    *,
    subject: Optional[Resource] = None,
    conduct: Optional[Mapping[str, Any]] = None,
    wait_seconds: float = 0.0,
    key: Optional[Union[str, Callable[..., str]]] = None,
    gate: Optional[Gate] = None,
) -> Callable[[F], F]:
    """
    Decides before the function is called, and reports whether it returned or raised. Raises GovernanceDenied,
    GovernanceSuspended or GovernanceUnavailable in its place. ``resource`` and ``subject`` may be functions of the
    arguments. For people who approve, it waits ``wait_seconds``. Under the same ``key`` (a function of the arguments, too)
    the hub knows a call again for a day, also after a restart of the program: it goes on with what people agreed to since,
    and is denied once it was reported.
    """

    def decorate(function: F) -> F:
        named: Resource = resource or {"type": "function", "id": _name_of(function)}

        def decide(args: Any, kwargs: Any) -> Allowed:
            chosen = _gate(gate)
            try:
                about = named(*args, **kwargs) if callable(named) else named
                who = subject(*args, **kwargs) if callable(subject) else subject
                same = key(*args, **kwargs) if callable(key) else key
            except GovernanceError:
                raise
            except Exception as error:
                raise GovernanceUnavailable("what it is about could not be told: %s" % error) from error
            try:
                return chosen.decide(
                    action, about, who, risk_level=risk_level, is_autonomous=is_autonomous, conduct=conduct, key=same
                )
            except GovernanceSuspended as suspended:
                if wait_seconds <= 0:
                    if same is None:
                        raise
                    # Asked for before, maybe: then people may have answered meanwhile.
                    return chosen.look(suspended.decision)
                return chosen.wait(suspended.decision, wait_seconds)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def governed_async(*args: Any, **kwargs: Any) -> Any:
                allowed = await _off_loop(decide, args, kwargs)
                try:
                    result = await function(*args, **kwargs)
                except BaseException as error:
                    # A task that was cancelled may wait for nothing: the report goes its own way.
                    await _told_off_loop(allowed, error)
                    raise
                await _told_off_loop(allowed, None)
                return result

            return cast(F, governed_async)

        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("a generator does its work after it was called: govern what it calls")

        @functools.wraps(function)
        def governed(*args: Any, **kwargs: Any) -> Any:
            allowed = decide(args, kwargs)
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                _tell(allowed, error)
                raise
            _tell(allowed, None)
            return result

        return cast(F, governed)

    return decorate


def _name_of(function: Callable[..., Any]) -> str:
    return "%s.%s" % (function.__module__, function.__qualname__.replace("<locals>.", ""))


def _tell(allowed: Allowed, error: Optional[BaseException]) -> bool:
    """Whether the hub knows. Never raises: what the function did or raised is what its caller has to hear of."""
    try:
        if error is None:
            allowed.done()
        else:
            # The text of an exception may hold anything: the log gets its class alone.
            allowed.failed(code=_NOT_IN_CODES.sub("", type(error).__name__)[:64].lstrip("._:-") or "Exception")
    except Exception as failure:  # noqa: BLE001
        _LOG.warning("the outcome of %s could not be reported: %s", allowed.id, failure)
        return False
    return True


async def _off_loop(function: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, functools.partial(function, *args))


async def _told_off_loop(allowed: Allowed, error: Optional[BaseException]) -> bool:
    telling = asyncio.get_running_loop().run_in_executor(None, _tell, allowed, error)
    if isinstance(error, (asyncio.CancelledError, KeyboardInterrupt, SystemExit)):
        return False
    return await asyncio.shield(telling)


def _checked(alias: str, properties: Mapping[str, Any], resource: Entity, actor: Optional[str], gate: Optional[Gate]) -> Allowed:
    return _gate(gate).decide(
        alias, resource, risk_level=None, is_autonomous=True, actor_label=actor, properties=dict(properties)
    )


async def check_avn_action(
    action: str, component: str, anomaly_id: str = "", severity: str = "", gate: Optional[Gate] = None
) -> Allowed:
    """A healing action. Answers what may be done; raises otherwise, so that nothing is done by accident."""
    told = {"action": action, "anomaly_id": anomaly_id, "severity": severity}
    return await _off_loop(_checked, "check_avn_action", told, {"type": "component", "id": component}, None, gate)


async def check_business_operation(
    operation: str,
    actor: str,
    resource: str,
    context: Optional[Mapping[str, Any]] = None,
    gate: Optional[Gate] = None,
) -> Allowed:
    """An operation of the business. ``actor`` is a label, and nobody's identity."""
    told = {"operation": operation, "context": dict(context or {})}
    about = {"type": "business", "id": resource}
    return await _off_loop(_checked, "check_business_operation", told, about, actor, gate)


async def check_system_change(
    change_type: str,
    target_system: str,
    actor: str,
    details: Optional[Mapping[str, Any]] = None,
    gate: Optional[Gate] = None,
) -> Allowed:
    """A change of a system. ``actor`` is a label, and nobody's identity."""
    told = {"change_type": change_type, "details": dict(details or {})}
    return await _off_loop(_checked, "check_system_change", told, {"type": "system", "id": target_system}, actor, gate)


async def check_code_deployment(
    deployment: str, target: str, actor: str, gate: Optional[Gate] = None
) -> Allowed:
    """A deployment of code. ``actor`` is a label, and nobody's identity."""
    told = {"deployment": deployment}
    return await _off_loop(_checked, "check_code_deployment", told, {"type": "deployment", "id": target}, actor, gate)
