"""The product."""
from dataclasses import dataclass
from bench.zap_origin import Channel

@dataclass
class Said:
    how: str
    player_ms: float

class Product:
    async def settle(self, channel: Channel) -> None: ...
    async def tune(self, channel: Channel) -> float: return 0.0
    async def said(self) -> Said: return Said("", 0)

PRODUCTS = {}
