"""Doing what a fired rule says: its steps in order, within the bounds of its mode.

One rule: a step that fails is said once and does not keep the next from being
done; nothing runs for longer than its limit.  A question that cannot be asked
is one that nobody answered.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from inspect import iscoroutinefunction

from gateway.errors import GatewayError
from gateway.iot.rules_model import Mode, Rule, RuleId
from gateway.iot.rules_steps import AskStep, NoticeStep, Step

log = logging.getLogger(__name__)

Action = Callable[..., Awaitable[object] | None]
"""One that is no coroutine function has done it all when it returns.
Called with the words of its step: ``command(entity=…, value=…)``, ``notice(text={locale: text})``,
``notify(text=…)``, ``tune(number=…)`` or ``tune(channel=…)``, ``scene(scene=…)``, and
``ask(text=…, after_s=…)``, which returns the answer, or `None` if there was none in time."""

STEP_TIMEOUT_S = 10.0
MAX_PENDING = 100
"""Runs of one rule that wait in a queue, or go on at the same time."""


class Runs:
    """What fired rules are doing.

    Attributes:
        dropped: Firings that found no room, by rule.
        unfinished: Rules whose steps have come to no end, also when this is torn down over them.
    """

    def __init__(self, tasks: asyncio.TaskGroup, actions: Mapping[str, Action]) -> None:
        self.dropped: dict[RuleId, int] = {}
        self.unfinished: set[RuleId] = set()
        self._tasks = tasks
        self._actions = actions
        self._at_once = {name for name, action in actions.items() if not iscoroutinefunction(action)}
        self._running: dict[RuleId, set[asyncio.Task[None]]] = {}
        self._queued: dict[RuleId, deque[Rule]] = {}
        self._failing: dict[tuple[RuleId, str], str] = {}

    def fire(self, rule: Rule) -> bool:
        """Begin the steps of `rule`, as its mode allows; return whether there is a new task for them."""
        running = self._running.setdefault(rule.id, set())
        running -= {task for task in running if task.done()}
        match rule.mode:
            case Mode.SINGLE if running:
                return False
            case Mode.RESTART:
                for task in running:
                    task.cancel()
            case Mode.QUEUED if running:
                self._enqueue(rule)
                return False
            case Mode.PARALLEL if len(running) >= MAX_PENDING:
                self._drop(rule)
                return False
        done = self._do_at_once(rule)
        if done == len(rule.do):
            return False
        task = self._tasks.create_task(self._run(rule, done), name=f"rule {rule.id}")
        running.add(task)
        task.add_done_callback(running.discard)
        return True

    def _do_at_once(self, rule: Rule) -> int:
        """Do the first steps that take no time; return how many: most rules are one command."""
        for at, step in enumerate(rule.do):
            if step.ask is not None or (called := words_of(step))[0] not in self._at_once:
                return at
            name, words = called
            failure = ""
            try:
                self._actions[name](**words)
            except GatewayError as error:
                failure = error.line()
            self._say(rule.id, name, failure)
        return len(rule.do)

    def _enqueue(self, rule: Rule) -> None:
        queue = self._queued.setdefault(rule.id, deque())
        if len(queue) >= MAX_PENDING:
            self._drop(rule)
        else:
            queue.append(rule)

    def _drop(self, rule: Rule) -> None:
        if rule.id not in self.dropped:
            log.warning("rule %s fires faster than it can be done; some firings are dropped", rule.id)
        self.dropped[rule.id] = self.dropped.get(rule.id, 0) + 1

    async def _run(self, rule: Rule, done: int) -> None:
        self.unfinished.add(rule.id)
        await self._do_steps(rule.id, rule.do[done:])
        queue = self._queued.get(rule.id)
        while queue:
            await self._do_steps(rule.id, queue.popleft().do)
        self.unfinished.discard(rule.id)

    async def _do_steps(self, rule: RuleId, steps: tuple[Step, ...]) -> None:
        for step in steps:
            if step.ask is not None:
                await self._ask(rule, step.ask)
                continue
            name, words = words_of(step)
            _, failure = await self._try(name, words, STEP_TIMEOUT_S)
            self._say(rule, name, failure)

    async def _ask(self, rule: RuleId, ask: AskStep) -> None:
        words = _said(ask) | {"after_s": ask.after_s}
        answer, failure = await self._try("ask", words, ask.after_s + STEP_TIMEOUT_S)
        self._say(rule, "ask", failure)
        steps = ask.otherwise if not isinstance(answer, bool) else ask.yes if answer else ask.no
        await self._do_steps(rule, steps)

    async def _try(self, name: str, words: dict[str, object], timeout_s: float) -> tuple[object, str]:
        """Do an action; return what came of it, and what went wrong, empty if nothing."""
        action = self._actions.get(name)
        if action is None:
            return None, f"this box has no {name}"
        try:
            async with asyncio.timeout(timeout_s):
                begun = action(**words)
                return None if begun is None else await begun, ""
        except GatewayError as error:
            return None, error.line()
        except TimeoutError:
            return None, f"it took longer than {timeout_s:g} s"
        except Exception as oddity:  # the alarm must not end because one action is broken
            log.debug("%s", name, exc_info=True)
            return None, f"{type(oddity).__name__}: {oddity}"

    def _say(self, rule: RuleId, name: str, failure: str) -> None:
        # Once per kind of failure: a rule on a fast sensor must not fill the log.
        if failure and self._failing.get((rule, name)) != failure:
            log.warning("rule %s: %s", rule, failure)
        if failure:
            self._failing[rule, name] = failure
        else:
            self._failing.pop((rule, name), None)


def words_of(step: Step) -> tuple[str, dict[str, object]]:
    """Return the action that `step` names, and its words; not for a question."""
    if step.command is not None:
        return "command", {"entity": step.command.entity, "value": step.command.value}
    if step.notice is not None:
        return "notice", _said(step.notice)
    if step.notify is not None:
        return "notify", _said(step.notify)
    if step.scene is not None:
        return "scene", {"scene": step.scene}
    assert step.tune is not None  # noqa: S101 - Step has exactly one, checked when it was made
    if step.tune.number is not None:
        return "tune", {"number": step.tune.number}
    return "tune", {"channel": step.tune.channel}


def _said(step: NoticeStep | AskStep) -> dict[str, object]:
    text: dict[str, object] = {"text": step.by_locale}
    return text if step.camera is None else text | {"camera": step.camera}
