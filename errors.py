"""The errors that a user is meant to read: what was found, what was expected, what mends it."""


class BusError(Exception):
    """The work failed for a reason the user can act on (exit code 1)."""


class UsageError(BusError):
    """An option is wrong or contradicts what the study froze (exit code 2)."""
