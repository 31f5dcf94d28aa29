"""Why something must not be done now."""

from typing import Optional, Sequence


class GovernanceError(Exception):
    """The deed must not be done: each subclass says why."""


class GovernanceDenied(GovernanceError):
    """A rule says no, or none says yes."""

    def __init__(self, sentence: str, reasons: Sequence[str] = (), decision: Optional[str] = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.reasons = tuple(reasons)
        self.decision = decision


class GovernanceSuspended(GovernanceError):
    """People have to agree first: ``Gate.wait(decision)`` goes on once they have."""

    def __init__(self, sentence: str, decision: str, obligations: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.decision = decision
        self.obligations = tuple(obligations)

    @property
    def approval(self) -> str:
        """Under which people answer: the id of the suspended decision."""
        return self.decision


class GovernanceUnavailable(GovernanceError):
    """
    There is no decision, so nothing is done. ``status`` is the HTTP status of what was no answer, if one came, and ``code``
    that which the hub gave, such as ``idempotency.conflict``.
    """

    def __init__(self, message: str, status: Optional[int] = None, code: Optional[str] = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
