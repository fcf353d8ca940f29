"""Questions to the household, answered with the remote.

One rule: an answer is a person's; silence is not one, and a question that is
over cannot be answered any more.
"""

import asyncio
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from gateway.errors import BadInputError, GatewayError
from gateway.iot.entity import EntityId
from gateway.pubsub import Publisher
from gateway.ui import documents as doc

MAX_OPEN = 8
ID_BYTES = 8


class QuestionOverError(BadInputError):
    """The question was answered, or nobody did in time."""

    code: ClassVar[str] = "UI-301"
    hint = "Nothing; it is not asked any more."


class TooManyQuestionsError(GatewayError):
    """There are as many open questions as a household can be asked."""

    code: ClassVar[str] = "UI-302"
    hint = "Answer those on the screen; look at the rules that ask."


class Questions:
    """Asks, and waits for the answer.

    Attributes:
        changes: The open questions, whenever they are others.
    """

    def __init__(self) -> None:
        self.changes: Publisher[tuple[doc.Question, ...]] = Publisher()
        self._open: dict[str, tuple[doc.Question, asyncio.Future[bool]]] = {}

    @property
    def open(self) -> tuple[doc.Question, ...]:
        """Those that wait for an answer, the oldest first."""
        return tuple(question for question, _ in self._open.values())

    async def ask(
        self, text: Mapping[str, str], after_s: float, camera: EntityId | None = None
    ) -> bool | None:
        """Ask `text`, by locale; return the answer, `None` if there is none after `after_s`.

        What `camera` sees is shown beside it.

        Raises:
            TooManyQuestionsError: there are too many open ones.
        """
        if len(self._open) >= MAX_OPEN:
            raise TooManyQuestionsError(f"{MAX_OPEN} questions are open already")
        question = doc.Question(
            id=secrets.token_hex(ID_BYTES),
            text=dict(text),
            expires_at=datetime.now(UTC) + timedelta(seconds=after_s),
            camera=camera,
        )
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._open[question.id] = (question, answer)
        self.changes.publish(self.open)
        try:
            async with asyncio.timeout(after_s):
                return await answer
        except TimeoutError:
            return None
        finally:
            del self._open[question.id]
            self.changes.publish(self.open)

    def answer(self, question: str, *, yes: bool) -> None:
        """Take a person's answer; the first counts.

        Raises:
            QuestionOverError: it is not asked any more.
        """
        _, answer = self._open.get(question, (None, None))
        if answer is None or answer.done():
            raise QuestionOverError("This question is not asked any more")
        answer.set_result(yes)
