"""How a call to a partner can fail. A business refusal is an answer, not one of these."""


class Unavailable(Exception):
    """The partner did not take the call (429, 503, no connection); it is tried again later."""

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        """Seconds the partner asked us to wait, None where it did not say."""


class Uncertain(Exception):
    """Sent, but nobody knows whether it had an effect (time-out, connection lost, another 5xx)."""


class Unreadable(Exception):
    """Not sent: another release wrote the request, with what this one does not know. It is left to that release."""


class Rejected(Exception):
    """The partner will never take this call as it is (a 4xx that the contract does not foresee)."""
