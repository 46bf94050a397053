"""The exceptions that scripts know from W&B's client. None is raised by log()."""


class Error(Exception):
    """Base of all."""

    def __init__(self, message: str = "", context: object = None):
        super().__init__(message)
        self.message = message


class UsageError(Error):
    """A call that can't be carried out as it stands."""


class CommError(Error):
    """A server can't be reached; nothing here raises it."""


class ConfigError(Error):
    """A key of the config would change its value."""
