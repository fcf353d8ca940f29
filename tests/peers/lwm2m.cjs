// A device of another maker: lwm2m-node-lib's client with the objects it is given, told what to do line by line.
// Usage: lwm2m.cjs PORT ENDPOINT VERSION OBJECTS [FORMATS]
// OBJECTS is JSON: {"/3303/0": {"5700": "21.5"}}, FORMATS the numbers of those it knows beside its own defaults.
// Reads "set URI RESOURCE VALUE", "update" and "leave"; says what the server does to it.
"use strict";
const readline = require("node:readline");
const { client } = require("lwm2m-node-lib");

const [port, endpoint, version, objects, formats] = process.argv.slice(2);
const say = (...words) => process.stdout.write(`${words.join(" ")}\n`);
const stop = (error) => {
  process.stderr.write(`${error.stack || error.message || error}\n`);
  process.exit(1);
};
let registration;

function obey(heard) {
  registration = heard;
  client.setHandler(registration.serverInfo, "write", (type, instance, resource, value, done) => {
    say("wrote", `/${type}/${instance}/${resource}`, value);
    done(null);
  });
  client.setHandler(registration.serverInfo, "execute", (type, instance, resource, value, done) => {
    say("executed", `/${type}/${instance}/${resource}`);
    done(null);
  });
}

const orders = {
  set: (uri, resource, value) => client.registry.setResource(uri, resource, value, (error) => error && stop(error)),
  update: () =>
    client.update(registration, (error, heard) => {
      if (error) stop(error);
      obey(heard);
      say("updated");
    }),
  leave: () => client.unregister(registration, (error) => (error ? stop(error) : say("left"))),
};

client.init({
  logLevel: "FATAL",
  client: {
    lifetime: "600",
    version,
    logLevel: "FATAL",
    ipProtocol: "udp4",
    serverProtocol: "udp4",
    // Its defaults are the numbers before the standard; it drops requests that name one it does not know.
    formats: JSON.parse(formats).map((value) => ({ name: `format/${value}`, value })),
  },
});
for (const [uri, resources] of Object.entries(JSON.parse(objects))) {
  client.registry.create(uri, (error) => error && stop(error));
  for (const [resource, value] of Object.entries(resources)) orders.set(uri, resource, value);
}
client.register("127.0.0.1", port, "", endpoint, (error, heard) => {
  if (error) stop(error);
  obey(heard);
  say("registered", heard.location);
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const [order, ...rest] = line.split(" ");
    orders[order](...rest);
  });
});
