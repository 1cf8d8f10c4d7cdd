"""Errors, named after what the caller should do."""


class SeedancePollerError(Exception):
    """Root of all errors of this service; its text is a sentence without secrets."""


class ConfigurationError(SeedancePollerError):
    """The deployment lacks something; a person must change it, no task is at fault."""


class BadMessage(SeedancePollerError):  # noqa: N818 - named after what it is, not suffixed
    """A message that this service did not send: drop it, nothing is lost with it."""


class CopyError(SeedancePollerError):
    """A copy did not happen; `code` is for programs, the text is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class VideoRefused(CopyError):  # noqa: N818 - named after what happened, not suffixed
    """This video will never be stored, however often it is tried: end the task."""


class CopyInterrupted(CopyError):  # noqa: N818 - see VideoRefused
    """The copy may succeed later: hand the task off again."""
