"""Every refusal of the API, as RFC 9457 problem documents.

One rule: whatever goes wrong, the caller gets the same shape with the code
that the television shows, and the handlers only raise.
"""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec

from gateway.errors import BadInputError, GatewayError
from gateway.schema import Problem as Fault
from gateway.schema import SchemaError

log = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"

_STATUSES: Mapping[str, HTTPStatus] = {
    "TV-111": HTTPStatus.NOT_FOUND,  # no such reminder
    "TV-112": HTTPStatus.CONFLICT,  # not to be reminded of
    "TV-113": HTTPStatus.CONFLICT,  # enough reminders
    "TV-208": HTTPStatus.NOT_FOUND,  # no such channel
    "TV-209": HTTPStatus.NOT_FOUND,  # no such piece of media, or not any more
    "TV-210": HTTPStatus.CONFLICT,  # the channel has no continuous stream
    "TV-402": HTTPStatus.NOT_FOUND,  # no such track
    "TV-403": HTTPStatus.CONFLICT,  # the line-up is empty
    "TV-404": HTTPStatus.CONFLICT,  # no picture to pause
    "TV-541": HTTPStatus.CONFLICT,  # nothing but the present is kept
    "TV-542": HTTPStatus.NOT_FOUND,  # no such programme
    "TV-543": HTTPStatus.CONFLICT,  # the programme has not begun
    "TV-544": HTTPStatus.NOT_FOUND,  # no such recording
    "TV-511": HTTPStatus.CONFLICT,  # no room for recordings
    "TV-515": HTTPStatus.CONFLICT,  # it is not being recorded
    "TV-516": HTTPStatus.NOT_FOUND,  # no such rule for a series
    "TV-517": HTTPStatus.CONFLICT,  # too many recordings or rules
    "TV-521": HTTPStatus.NOT_FOUND,  # nothing of that time is kept
    "TV-605": HTTPStatus.FORBIDDEN,  # the PIN is wrong
    "TV-606": HTTPStatus.TOO_MANY_REQUESTS,  # the PIN was guessed at
    "TV-607": HTTPStatus.CONFLICT,  # there is no child lock
    "TV-608": HTTPStatus.FORBIDDEN,  # the child lock is closed
    "TV-611": HTTPStatus.NOT_FOUND,  # no such member
    "IOT-203": HTTPStatus.NOT_FOUND,  # no such entity
    "IOT-204": HTTPStatus.CONFLICT,  # the entity takes no commands
    "IOT-401": HTTPStatus.SERVICE_UNAVAILABLE,  # the rules file cannot be read
    "IOT-402": HTTPStatus.NOT_FOUND,  # no such rule
    "IOT-701": HTTPStatus.CONFLICT,  # the account's name is taken
    "IOT-702": HTTPStatus.CONFLICT,  # enough accounts
    "IOT-703": HTTPStatus.NOT_FOUND,  # no such account
    "IOT-704": HTTPStatus.CONFLICT,  # the broker is not ours
    "IOT-706": HTTPStatus.CONFLICT,  # enough devices
    "IOT-707": HTTPStatus.NOT_FOUND,  # no such device waits
    "IOT-711": HTTPStatus.CONFLICT,  # it has credentials
    "IOT-712": HTTPStatus.CONFLICT,  # enough credentials
    "IOT-713": HTTPStatus.NOT_FOUND,  # no such credentials
    "IOT-717": HTTPStatus.CONFLICT,  # the store is not durable
    "IOT-804": HTTPStatus.NOT_FOUND,  # nothing failed with that device
    "IOT-403": HTTPStatus.NOT_FOUND,  # no such helper
    "IOT-404": HTTPStatus.NOT_FOUND,  # no such scene
    "APP-201": HTTPStatus.NOT_FOUND,  # no such app
    "APP-202": HTTPStatus.CONFLICT,  # the app is not open
    "APP-301": HTTPStatus.FORBIDDEN,  # the app did not ask for this permission
    "APP-302": HTTPStatus.CONFLICT,  # the app's storage is full
    "UI-201": HTTPStatus.NOT_FOUND,  # no such phone
    "UI-202": HTTPStatus.CONFLICT,  # the house has as many phones as it may
    "UI-203": HTTPStatus.FORBIDDEN,  # a pairing code that opens nothing
    "UI-204": HTTPStatus.TOO_MANY_REQUESTS,  # pairing codes were guessed at
    "UI-301": HTTPStatus.NOT_FOUND,  # no such question, or not any more
    "APP-304": HTTPStatus.TOO_MANY_REQUESTS,  # the app calls too often
}
"""Codes whose status is not the one of their class; see `status_of`."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a call was refused (RFC 9457).

    `problems` names every fault of a document by its dotted path.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    hint: str
    problems: list[str] = []


class RequestError(BadInputError):
    """The API refuses a request; each subclass is one status.

    Attributes:
        status: What the HTTP answer says.
        headers: Sent with the answer.
    """

    code: ClassVar[str] = "UI-102"
    hint = "Send what the API's document /api/v1/openapi.json describes."
    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST

    def __init__(self, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers: Mapping[str, str] = headers or {}


class MalformedError(RequestError):
    """The body is not what this call takes.

    Attributes:
        faults: Everything wrong with it.
    """

    code: ClassVar[str] = "UI-103"
    hint = "Correct the named keys and send it again."

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


class UnknownError(RequestError):
    """There is no such thing here."""

    code: ClassVar[str] = "UI-104"
    hint = "Ask for the list first; it may have changed."
    status = HTTPStatus.NOT_FOUND


class NotSignedInError(RequestError):
    """Nobody knows who is asking."""

    code: ClassVar[str] = "UI-105"
    hint = "Send the token that `gateway token` prints, as Authorization: Bearer."
    status = HTTPStatus.UNAUTHORIZED


class ForeignError(RequestError):
    """The request comes from a page that is not ours."""

    code: ClassVar[str] = "UI-106"
    hint = "Use the box's own page, or send the token instead of the cookie."
    status = HTTPStatus.FORBIDDEN


class RoleError(RequestError):
    """Known, but not allowed."""

    code: ClassVar[str] = "UI-205"
    hint = "Ask the owner to give this phone another role, on the television."
    status = HTTPStatus.FORBIDDEN


class WrongHostError(RequestError):
    """The request was meant for another host name."""

    code: ClassVar[str] = "UI-107"
    hint = "Open the address that the box printed, or add the name under ui.names."
    status = HTTPStatus.MISDIRECTED_REQUEST


class WrongMethodError(RequestError):
    """The thing is there, but not for this verb."""

    code: ClassVar[str] = "UI-108"
    status = HTTPStatus.METHOD_NOT_ALLOWED


class TooLargeError(RequestError):
    """The body is larger than the API takes."""

    code: ClassVar[str] = "UI-109"
    hint = "Send less at once."
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class WrongTypeError(RequestError):
    """The body is not JSON."""

    code: ClassVar[str] = "UI-110"
    hint = "Send the body as application/json."
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class TooManyError(RequestError):
    """Too many wrong tokens, or too many listeners."""

    code: ClassVar[str] = "UI-111"
    hint = "Wait a minute, then try again."
    status = HTTPStatus.TOO_MANY_REQUESTS


class ConflictError(RequestError):
    """Right in itself, but not possible now."""

    code: ClassVar[str] = "UI-112"
    hint = "Look at the present state and try again."
    status = HTTPStatus.CONFLICT


def status_of(error: GatewayError) -> HTTPStatus:
    """Return the HTTP status that tells a caller about `error`."""
    if isinstance(error, RequestError):
        return error.status
    if status := _STATUSES.get(error.code):
        return status
    if isinstance(error, BadInputError):
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.SERVICE_UNAVAILABLE


def problem_of(error: GatewayError) -> Problem:
    """Return the document that tells a caller about `error`."""
    status = status_of(error)
    faults: Sequence[Fault] = ()
    if isinstance(error, MalformedError):
        faults = error.faults
    elif isinstance(error, SchemaError):
        faults = error.problems
    return Problem(
        title=status.phrase,
        status=status,
        detail=" ".join(str(error).split()),
        code=error.code,
        hint=error.hint,
        problems=[str(fault) for fault in faults],
    )


def answer_error(_request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Litestar's exception handler for everything."""
    known = _as_gateway_error(error)
    headers = dict(known.headers) if isinstance(known, RequestError) else {}
    problem = problem_of(known)
    if not isinstance(error, GatewayError | HTTPException):
        # The one place where an API call's unexpected failure is handled.
        log.error("An API call failed", exc_info=error)
        problem = msgspec.structs.replace(problem, title="Internal Server Error", status=500)
    return Response(problem, status_code=problem.status, media_type=PROBLEM_TYPE, headers=headers)


def answers(*statuses: int) -> dict[int, ResponseSpec]:
    """Return the documentation of the refusals of one call, beside those every call has."""
    always = (400, 401, 403, 404, 405, 413, 415, 421, 429, 500, 503)
    return {
        status: ResponseSpec(
            Problem, media_type=PROBLEM_TYPE, description=HTTPStatus(status).phrase, generate_examples=False
        )
        for status in sorted({*always, *statuses})
    }


def _as_gateway_error(error: Exception) -> GatewayError:
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        match error.status_code:
            case HTTPStatus.NOT_FOUND:
                return UnknownError("There is no such address")
            case HTTPStatus.METHOD_NOT_ALLOWED:
                return WrongMethodError("This address does not take that method", headers=error.headers)
            case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                return TooLargeError("The body is too large")
            case _:
                return _explain(error)
    return GatewayError("Something went wrong inside the box")


def _explain(error: HTTPException) -> RequestError:
    """Say in our words what Litestar found wrong with parameters or body."""
    if not isinstance(error.extra, list) or not error.extra:
        return RequestError(error.detail)
    faults = [(str(one.get("key", "")), str(one.get("message", "")).replace("`", "")) for one in error.extra]
    return MalformedError(
        [
            Fault("", "the body is missing") if key == "data" else Fault(key, message)
            for key, message in faults
        ]
    )
