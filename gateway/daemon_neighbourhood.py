"""What the box tells the home's network of itself, put together from its configuration.

One rule: the page and CoAP decide whether the box shows itself; a broker that
listens for devices does not make a box talk that otherwise keeps to itself.
"""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from gateway.broker import ManagedBroker
from gateway.config import GatewayConfig
from gateway.iot.announcement import COAP, MQTT, PAGE, Offer, offers_of
from gateway.iot.coap_endpoint import CoapEndpoint
from gateway.iot.neighbourhood import Neighbourhood

API = "/api/v1"


def compose_neighbourhood(
    config: GatewayConfig, page_port: Callable[[], int], coap: CoapEndpoint, broker: ManagedBroker | None
) -> Neighbourhood:
    """Return the service that announces and browses, not started.

    Args:
        config: What the installer wants.
        page_port: Of page and API; 0 while they are not open.
        coap: Looked up for its port when it is announced.
        broker: Likewise; `None` when it is not the box's own.
    """
    page = Offer(
        kind=PAGE,
        host=config.ui.host,
        port=lambda: page_port() or config.ui.port,
        facts={"id": config.box.id, "path": API, "version": _version()},
    )
    resources = Offer(
        kind=COAP,
        host=config.iot.coap.host,
        port=lambda: coap.port if coap.is_open else config.iot.coap.port,
        facts={"id": config.box.id},
    )
    messages = None
    if broker is not None:
        own = broker
        messages = Offer(
            kind=MQTT,
            host=broker.tls_host or "::",
            port=lambda: own.tls_port or 0,
            facts={"id": config.box.id, "tls": "1"},
        )
    return Neighbourhood(config.iot.discovery, config.box.id, offers_of(page, resources, messages))


def _version() -> str:
    try:
        return version("gateway")
    except PackageNotFoundError:  # a checkout that was never installed
        return ""
