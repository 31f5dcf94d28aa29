"""Governance for Python programs: the gate of a Polity hub decides before something is done."""

from .asgi import GovernanceMiddleware
from .client import Allowed, Gate, reading
from .errors import GovernanceDenied, GovernanceError, GovernanceSuspended, GovernanceUnavailable
from .governance import (
    check_avn_action,
    check_business_operation,
    check_code_deployment,
    check_system_change,
    configure,
    require_governance,
)

__all__ = [
    "Allowed",
    "Gate",
    "GovernanceDenied",
    "GovernanceError",
    "GovernanceMiddleware",
    "GovernanceSuspended",
    "GovernanceUnavailable",
    "check_avn_action",
    "check_business_operation",
    "check_code_deployment",
    "check_system_change",
    "configure",
    "reading",
    "require_governance",
]
