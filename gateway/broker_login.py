"""Whether the broker on this machine lets somebody in.

One rule: asks and goes; the MQTT client for everything else is `gateway.mqtt_client`.
"""

import asyncio
import secrets

HOST = "127.0.0.1"
TIMEOUT_S = 1.0


async def accepts_login(port: int, name: str, secret: str) -> bool:
    """Return whether an MQTT CONNECT is answered with success (MQTT 3.1.1 sections 3.1 and 3.2)."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(_connect_packet(name, secret))
                answer = await reader.readexactly(4)
                writer.write(b"\xe0\x00")
                await writer.drain()
            finally:
                writer.close()
    except (OSError, EOFError, TimeoutError):
        return False
    return answer == b"\x20\x02\x00\x00"


def _connect_packet(name: str, secret: str) -> bytes:
    user_password_and_clean, keepalive_s = 0xC2, 10
    fields = (f"login-{secrets.token_hex(4)}", name, secret)
    payload = b"".join(len(field).to_bytes(2, "big") + field.encode() for field in fields)
    body = b"\x00\x04MQTT\x04" + bytes([user_password_and_clean]) + keepalive_s.to_bytes(2, "big") + payload
    return b"\x10" + bytes([len(body)]) + body
