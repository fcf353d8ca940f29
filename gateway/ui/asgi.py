"""ASGI in the few words we need of it.

One rule: an answer made outside of Litestar is still one complete answer, with
the headers every answer carries.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.ui.problems import PROBLEM_TYPE, RequestError, problem_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ALWAYS_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A whole HTTP answer.

    Attributes:
        kind: Content type.
    """

    status: int
    kind: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal_answer(refusal: RequestError) -> Answer:
    """Return the problem document about `refusal`."""
    return Answer(
        status=refusal.status,
        kind=PROBLEM_TYPE,
        body=msgspec.json.encode(problem_of(refusal)),
        headers={"cache-control": "no-store", **refusal.headers},
    )


async def respond(scope: Scope, send: Send, answer: Answer) -> None:
    """Send `answer`, also instead of accepting a WebSocket."""
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    head = scope.get("method") == "HEAD"
    headers = [
        (b"content-type", answer.kind.encode("latin-1")),
        (b"content-length", str(len(answer.body)).encode()),
        *(
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in answer.headers.items()
        ),
    ]
    await send({"type": f"{kind}.start", "status": answer.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": b"" if head else answer.body, "more_body": False})


def headers_of(scope: Scope) -> Mapping[str, str]:
    """Return the request's headers, names in lower case."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
