// A device of another maker: coap-node with the objects it is given, told what to do line by line.
// Usage: coap_node.cjs PORT ENDPOINT OBJECTS      OBJECTS is JSON: {"/3303/0": {"5700": 21.5}}
// Reads "set URI RESOURCE VALUE", the value as JSON, and "deregister".
"use strict";
const readline = require("node:readline");
const CoapNode = require("coap-node");
const SmartObject = require("smartobject");

const [port, endpoint, objects] = process.argv.slice(2);
const say = (...words) => process.stdout.write(`${words.join(" ")}\n`);
const stop = (error) => {
  process.stderr.write(`${error.stack || error.message || error}\n`);
  process.exit(1);
};
const numbers = (uri) => uri.split("/").slice(1).map(Number);

const tree = new SmartObject();
for (const [uri, resources] of Object.entries(JSON.parse(objects))) tree.init(...numbers(uri), resources);
const node = new CoapNode(endpoint, tree, { lifetime: 60 });
node.on("error", stop);

const orders = {
  set: (uri, resource, value) =>
    tree.write(...numbers(uri), Number(resource), JSON.parse(value), (error) => error && stop(error)),
  deregister: () => node.deregister((error) => (error ? stop(error) : say("left"))),
};

node.register("127.0.0.1", port, (error, answer) => {
  if (error || answer.status !== "2.01") stop(error || answer.status);
  say("registered", node.locationPath);
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const [order, ...rest] = line.split(" ");
    orders[order](...rest);
  });
});
