// A heater as the library's documentation describes a device: it speaks Homie 3.0.1.
// Usage: node device.cjs '{"host", "port", "username", "password", "device"}'; says "connected" when it is.
const HomieDevice = require("homie-device");

const { device: device_id, ...mqtt } = JSON.parse(process.argv[2]);
const heater = new HomieDevice({
  name: "Heater",
  device_id,
  mqtt: { base_topic: "homie/", auth: true, ...mqtt },
});
const main = heater.node("main", "Stove", "heater");
const on = main.advertise("on").setName("Fire").setDatatype("boolean");
on.settable((_range, value) => on.setRetained(true).send(value));
const warmth = main.advertise("warmth").setName("Warmth").setDatatype("float").setFormat("-40:125").setUnit("°C");
const mode = main.advertise("mode").setName("Mode").setDatatype("enum").setFormat("eco,day");
const level = main.advertise("level").setName("Level").setDatatype("integer").setFormat("0:9");
level.settable((_range, value) => level.setRetained(true).send(value));
const lamps = heater.node("lamps", "Lamps", "lamp", 1, 2);
const lit = lamps.advertise("lit").setName("Lit").setDatatype("boolean");
lit.settable((range, value) => lit.setRetained(true).setRange(range.index).send(value));

heater.on("connect", () => {
  on.setRetained(true).send("false");
  warmth.setRetained(true).send("21.5");
  mode.setRetained(true).send("eco");
  level.setRetained(true).send("3");
  lit.setRetained(true).setRange(1).send("false");
  lit.setRetained(true).setRange(2).send("true");
  console.log("connected");
});
heater.setup(true);
