"""Why an operation was not done: the exceptions that every operation may raise."""


class OperationError(Exception):
    """An operation was not done, and nothing was changed; the message says why and what to do."""


class NotFound(OperationError):  # noqa: N818 - it says what is the matter
    """What the operation is about does not exist."""


class Refused(OperationError):  # noqa: N818 - it says what is the matter
    """It exists, and its state does not allow the operation."""


class InvalidInput(OperationError):  # noqa: N818 - it says what is the matter
    """A value that was given cannot be used."""
