"""The house's scenes: several commands at a word.

One rule: activating a scene is ordering its commands, each with a life of its
own; that a scene "is on" is never said, for no device ever says so.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from gateway.errors import BadInputError, GatewayError
from gateway.iot.commands_model import Command
from gateway.iot.entity import EntityId, Value
from gateway.iot.rules_book import Book, Kind
from gateway.iot.rules_file import decode_scene
from gateway.iot.scenes_model import MAX_SCENES, Scene
from gateway.pubsub import Publisher
from gateway.store import Store

Order = Callable[[EntityId, Value], Awaitable[Command]]
Tell = Callable[[EntityId, Value], Command]


class SceneUnknownError(BadInputError):
    """There is no scene with this id."""

    code: ClassVar[str] = "IOT-404"
    hint = "Ask for the list of scenes; it may have been deleted."


class SceneRefusedError(GatewayError):
    """Not one of a scene's commands was taken."""

    code: ClassVar[str] = "IOT-405"
    hint = "Look at the scene's devices; they may have been removed."


SCENES = Kind(
    name="scene",
    most=MAX_SCENES,
    of_file=lambda said: said.scenes,
    decode=decode_scene,
    unknown=SceneUnknownError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """What became of one command of a scene at first.

    Attributes:
        command: The order whose life goes on; `None` if it was not taken.
        code: Why it was not taken.
    """

    entity: EntityId
    value: Value
    command: Command | None = None
    code: str | None = None


class Scenes:
    """The scenes and who activates them: a service."""

    def __init__(self, file: Path | None, store: Store, order: Order, tell: Tell) -> None:
        """Describe the scenes; nothing is read before `run`.

        Args:
            file: The rules file, if any.
            store: Keeps what the API put, by `gateway.iot.rules.MIGRATIONS`.
            order: See `gateway.iot.commands.Commands.order`.
            tell: See `gateway.iot.commands.Commands.tell`.
        """
        self._book = Book(SCENES, file, store)
        self._order = order
        self._tell = tell

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """All scenes, the file's first, then in the order they were put."""
        return self._book.entries

    @property
    def changes(self) -> Publisher[tuple[Scene, ...]]:
        """`scenes`, whenever they are others."""
        return self._book.changes

    def get(self, scene: str) -> Scene:
        """Return a scene.

        Raises:
            SceneUnknownError: there is none with this id.
        """
        return self._book.get(scene)

    async def run(self, ready: Callable[[], None]) -> None:
        """Read the scenes, and be there until cancelled.

        Raises:
            RulesFileError: the file cannot be read.
            SchemaError: it is not a rules file.
        """
        await self._book.load()
        self._book.changes.publish(self.scenes)
        ready()
        await asyncio.Event().wait()

    async def put(self, scene: Scene) -> None:
        """Keep `scene`; see `gateway.iot.rules_book.Book.put`."""
        await self._book.put(scene)

    async def delete(self, scene: str) -> None:
        """Forget a scene; see `gateway.iot.rules_book.Book.delete`."""
        await self._book.delete(scene)

    def entities(self, scene: str) -> Iterable[EntityId]:
        """Return what a scene commands; nothing if there is no such scene."""
        return [step.entity for known in self.scenes if known.id == scene for step in known.do]

    async def activate(self, scene: str) -> tuple[Ordered, ...]:
        """Order what `scene` says; one that is refused does not keep the next from being ordered.

        Raises:
            SceneUnknownError: there is no such scene.
        """
        return tuple([await self._ordered(step.entity, step.value) for step in self._book.get(scene).do])

    def tell(self, scene: str) -> None:
        """Begin what `scene` says for whom nothing was promised, such as a rule; see `Commands.tell`.

        Raises:
            SceneUnknownError: there is no such scene.
            SceneRefusedError: not one of its commands was taken.
        """
        refused = [self._told(step.entity, step.value) for step in self._book.get(scene).do]
        if all(refused):
            raise SceneRefusedError(f"nothing of scene {scene} was taken: {refused[0]}")

    def _told(self, entity: EntityId, value: Value) -> str:
        try:
            self._tell(entity, value)
        except GatewayError as error:
            return error.code
        return ""

    async def _ordered(self, entity: EntityId, value: Value) -> Ordered:
        try:
            return Ordered(entity=entity, value=value, command=await self._order(entity, value))
        except GatewayError as error:
            return Ordered(entity=entity, value=value, code=error.code)
