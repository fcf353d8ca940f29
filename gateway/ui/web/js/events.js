/**
 * The events WebSocket, kept open for as long as the page lives.
 * One rule: a lost link is said at once and taken up again with growing pauses;
 * the picture does not wait for it.
 */

import { openSession } from "./session.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const SNAPSHOT_WITHIN_MS = 8_000;

/**
 * @param {(event: any) => void} onEvent
 * @param {(link: "live"|"lost"|"locked") => void} onLink
 */
export function listen(onEvent, onLink) {
  let pause = FIRST_PAUSE_MS;

  async function begin() {
    const session = await openSession();
    if (session === "open") connect();
    else again(session === "refused" ? "locked" : "lost");
  }

  function connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/api/v1/events`);
    const silence = setTimeout(() => socket.close(), SNAPSHOT_WITHIN_MS);
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.type === "snapshot") {
        clearTimeout(silence);
        pause = FIRST_PAUSE_MS;
        onLink("live");
      }
      onEvent(event);
    };
    socket.onclose = () => {
      clearTimeout(silence);
      again("lost");
    };
  }

  /** @param {"lost"|"locked"} link */
  function again(link) {
    onLink(link);
    setTimeout(begin, pause * (0.75 + Math.random() / 2));
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }

  begin();
}
