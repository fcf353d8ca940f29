"""The home's devices over MQTT and CoAP, and the rules between them."""
