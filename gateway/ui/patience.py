"""HTTP/1.1 as uvicorn speaks it, with a limit to how long a caller may take to ask.

One rule: whoever connects and does not finish the head of a request in time is
sent away; the places are few, and the household needs them.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 5.0


class PatientProtocol(H11Protocol):
    """uvicorn itself limits only the pause between two requests."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - handed on as they are
        super().__init__(*arguments, **named)
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unwatch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._awaits_head():
            self._unwatch()
        elif self._limit is None:
            self._watch()

    def _awaits_head(self) -> bool:
        # A WebSocket has left the connections and is somebody else's from then on.
        between = self.cycle is None or self.cycle.response_complete
        return between and self in self.connections

    def _watch(self) -> None:
        self._limit = self.loop.call_later(HEAD_S, self.transport.close)

    def _unwatch(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
