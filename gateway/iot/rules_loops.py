"""Rules that set each other off in a circle, and how that ends.  Pure; the caller has the clock.

One rule: what counts is cause, not rate.  A sensor may set a rule off a
thousand times a second; a rule set off by what rules did, which rules did
because of what rules did, ... is stopped.
"""

import logging
from collections.abc import Callable, Iterable

from gateway.iot.entity import EntityId
from gateway.iot.rules_model import Rule, RuleId
from gateway.iot.rules_steps import every

log = logging.getLogger(__name__)

LONGEST_CHAIN = 8
ECHO_S = 5.0
"""A change within this time after a rule's command is that command's doing."""
REST_S = 60.0
"""How long a rule in a circle is left out."""


class LoopGuard:
    """Follows what rules cause."""

    def __init__(self, of_scene: Callable[[str], Iterable[EntityId]]) -> None:
        """Begin; `of_scene` tells what a scene commands."""
        self._of_scene = of_scene
        self._touched: dict[EntityId, tuple[int, float]] = {}
        self._resting_until_s: dict[RuleId, float] = {}

    def admits(self, rule: Rule, cause: EntityId, now_s: float) -> bool:
        """Whether `rule` may act on a change of `cause`; if so, what it commands is its doing."""
        if now_s < self._resting_until_s.get(rule.id, now_s):
            return False
        length = self._length(cause, now_s) + 1
        if length > LONGEST_CHAIN:
            log.warning("rule %s is part of a circle of rules and rests for %g s", rule.id, REST_S)
            self._resting_until_s[rule.id] = now_s + REST_S
            return False
        for step in every(rule.do):
            if step.command is not None:
                self._touch(step.command.entity, length, now_s)
            elif step.scene is not None:
                for entity in self._of_scene(step.scene):
                    self._touch(entity, length, now_s)
        return True

    def _touch(self, entity: EntityId, length: int, now_s: float) -> None:
        self._touched[entity] = (max(length, self._length(entity, now_s)), now_s)

    def _length(self, entity: EntityId, now_s: float) -> int:
        length, at_s = self._touched.get(entity, (0, 0.0))
        return length if now_s - at_s < ECHO_S else 0
