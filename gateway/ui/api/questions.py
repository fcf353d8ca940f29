"""What the household is asked, and what it was told."""

from typing import Annotated

from litestar import get, post
from litestar.handlers.base import BaseRouteHandler
from litestar.params import JSONBody, PathParameter

from gateway.ui import documents as doc
from gateway.ui.api.body import Body
from gateway.ui.house import House
from gateway.ui.problems import answers

QuestionName = Annotated[str, PathParameter(description="Id of an open question", max_length=64)]


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/questions`` and ``/api/v1/messages``."""

    @get("/api/v1/questions", responses=answers())
    async def list_questions() -> list[doc.Question]:
        """Those that wait for an answer, the oldest first."""
        return list(house.questions.open)

    @post(
        "/api/v1/questions/{question:str}/answer",
        status_code=204,
        dto=Body[doc.Answer],
        return_dto=None,
        responses=answers(),
    )
    async def answer_question(question: QuestionName, data: JSONBody[doc.Answer]) -> None:
        """Answer; the first answer counts."""
        house.questions.answer(question, yes=data.yes)

    @get("/api/v1/messages", responses=answers())
    async def list_messages() -> list[doc.Message]:
        """What everybody in the house was to know, newest first; kept over power cuts."""
        return list(house.messages.recent)

    return [list_questions, answer_question, list_messages]
