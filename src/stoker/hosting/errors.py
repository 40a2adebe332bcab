"""What can go wrong with a code host, as types that carry the facts. No message has a token in
it."""

from __future__ import annotations


class HostingError(Exception):
    """All errors of this package."""


class NotHosted(HostingError):
    """The remote's URL is not one of a code host, or nobody said what speaks there."""


class TokenMissing(HostingError):
    """No token is there for `host`."""

    def __init__(self, host: str, places: str) -> None:
        super().__init__(f"no token for {host}: give one in {places}")
        self.host = host


class HostError(HostingError):
    """The code host refused, or did not answer. `said`: its own words."""

    sentence = "{host} refused"

    def __init__(self, host: str, repository: str, said: str = "") -> None:
        sentence = self.sentence.format(host=host, repository=repository)
        super().__init__(f"{sentence}: {said}" if said else sentence)
        self.host = host
        self.repository = repository
        self.said = said


class TokenInvalid(HostError):
    """The token is unknown, expired or revoked."""

    sentence = "{host} does not accept the token"


class InsufficientPermissions(HostError):
    """The token is right, but may not do this."""

    sentence = "the token may not do this in {repository} at {host}"


class RepositoryNotFound(HostError):
    """The repository, or what was asked for in it, is not there or not for this token to see."""

    sentence = "{host} has no {repository} that the token may see, or not what was asked for in it"


class AlreadyExists(HostError):
    """There is a pull request for that branch already."""

    sentence = "{host} has a pull request for that branch of {repository} already"


class Rejected(HostError):
    """The request makes no sense to the code host: an unknown branch, nothing to merge."""

    sentence = "{host} does not take this for {repository}"


class Redirected(HostError):
    """The API answers from elsewhere, where the token is not sent; it has to be configured."""

    sentence = "the API at {host} sends elsewhere, where the token does not go"


class Unavailable(HostError):
    """No answer, a failing server, or one that nobody can read."""

    sentence = "no answer of use from {host}"


class RateLimited(HostError):
    """Too many requests; to be tried again in `retry_after` seconds."""

    sentence = "{host} limits requests"

    def __init__(self, host: str, repository: str, retry_after: float) -> None:
        super().__init__(host, repository, f"try again in {retry_after:.0f} s")
        self.retry_after = retry_after
