"""What devices said that was not taken: for support, who would otherwise read logs.

One rule: it counts and names, and never repeats what was said; how a blood pressure was mistyped is
nobody's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.iot.coap_admission import Admission
from gateway.iot.coap_keys import CoapKeys
from gateway.iot.history import Historian
from gateway.iot.homie import HomieLink
from gateway.iot.mqtt import MqttLink
from gateway.iot.pictures import Pictures
from gateway.iot.registry import Registry
from gateway.mqtt_client import MqttClient


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What was not taken since the box was started.

    Attributes:
        refused: Why the announcement on a topic was refused, for the first of them.
        floods: How many messages on a topic were passed over because it said too much.
        announcements: Refused ones in all.
        reports: Those that were not what their device had announced.
        oversized: Messages larger than the broker may carry.
        late: Reports of unknown entities, beyond the limit, or older than what was known.
        unkept: Reports that the history had no room for.
        pictures: Of cameras: none, too large or too many.
        sealed: CoAP messages that were not believed.
        strangers: CoAP devices turned away because too many knocked at once.
    """

    refused: Mapping[str, str]
    floods: Mapping[str, int]
    announcements: int
    reports: int
    oversized: int
    late: int
    unkept: int
    pictures: int
    sealed: int
    strangers: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Troubles:
    """Everybody who counts."""

    client: MqttClient
    mqtt: MqttLink
    homie: HomieLink
    registry: Registry
    historian: Historian
    pictures: Pictures
    keys: CoapKeys
    admission: Admission

    @property
    def seen(self) -> Seen:
        """What there is now."""
        return Seen(
            refused=dict(self.mqtt.refused),
            floods=dict(self.client.floods.passed_over),
            announcements=self.mqtt.refusals,
            reports=self.mqtt.unreadable + self.homie.unreadable,
            oversized=self.client.dropped,
            late=self.registry.ignored,
            unkept=self.historian.dropped,
            pictures=self.pictures.refused.total(),
            sealed=self.keys.refused.total(),
            strangers=self.admission.turned_away,
        )
