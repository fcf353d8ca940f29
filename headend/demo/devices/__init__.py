"""Demo devices: each a process of its own that speaks real MQTT or CoAP, and knows nothing of the gateway."""
