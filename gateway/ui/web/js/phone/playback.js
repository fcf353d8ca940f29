/**
 * Watching on the phone itself, live, from an instant on, or a recording.
 * One rule: it always knows which instant is on the screen, so that the television
 * can go on there.
 *
 * @import { Channel, Recording } from "../types.js"
 * @typedef {{channel: Channel|null, recording: Recording|null, title: string, from: number|null}} Wanted
 *   `from`: instant where it begins, in ms; null is live
 */

import { changed } from "./desk.js";

const FAILED = "TV-301";
const UNPLAYABLE = "TV-305";
const BEHIND_MS = 30_000;
const WITHOUT_CODEC = /IncompatibleCodecs|AddCodec/i;
const TUNING = {
  workerPath: new URL("../../vendor/hls.worker.js", import.meta.url).href,
  liveSyncDurationCount: 2, maxBufferLength: 12, maxMaxBufferLength: 24, backBufferLength: 20,
};

export const playback = {
  /** @type {Wanted|null} */
  wanted: null,
  /** @type {HTMLVideoElement|null} */
  video: null,
  /** @type {"loading"|"playing"|"failed"} */
  picture: "loading",
  /** @type {string|null} */
  code: null,
};

/** @type {any} */
let hls = null;

/** Begin; to be called in the tap itself, or an iPhone stays silent. @param {Wanted} wanted */
export function watch(wanted) {
  end();
  const video = document.createElement("video");
  video.playsInline = true;
  video.controls = true;
  video.autoplay = true;
  Object.assign(playback, { wanted, video, picture: "loading", code: null });
  video.addEventListener("timeupdate", () => video === playback.video && video.currentTime > 0 && become("playing", null));
  const address = addressOf(wanted);
  video.addEventListener("error", async () => {
    const why = await refusal(address);
    if (video === playback.video) become("failed", why ?? (video.error?.code === 4 ? UNPLAYABLE : FAILED));
  });
  if ("MediaSource" in window) load(video, address, wanted.from === null);
  else {
    video.src = address;
    video.play().catch(() => {});
  }
  changed();
}

/** @param {HTMLVideoElement} video @param {string} address @param {boolean} isLive */
async function load(video, address, isLive) {
  const { default: Hls } = await import("../../vendor/hls.js");
  if (video !== playback.video) return;
  const mine = hls = new Hls(/** @type {any} */ (isLive ? TUNING : { ...TUNING, liveMaxLatencyDurationCount: Infinity }));
  let isMended = false;
  mine.on(Hls.Events.MANIFEST_PARSED, () => {
    video.play().catch(() => {});
  });
  mine.on(Hls.Events.ERROR, (_event, /** @type {any} */ data) => {
    if (!data.fatal || mine !== hls) return;
    if (data.type === "mediaError" && !isMended && !WITHOUT_CODEC.test(data.details)) {
      isMended = true;
      mine.recoverMediaError();
      return;
    }
    mine.destroy();
    hls = null;
    become("failed", codeIn(data) ?? (WITHOUT_CODEC.test(data.details) ? UNPLAYABLE : FAILED));
  });
  mine.loadSource(address);
  mine.attachMedia(video);
}

/** @param {"loading"|"playing"|"failed"} picture @param {string|null} code */
function become(picture, code) {
  if (playback.picture === picture || playback.picture === "failed") return;
  Object.assign(playback, { picture, code });
  changed();
}

export function end() {
  hls?.destroy();
  hls = null;
  const { video } = playback;
  Object.assign(playback, { wanted: null, video: null });
  if (video) {
    video.pause();
    video.removeAttribute("src");
    video.load();
  }
  changed();
}

/** The instant on the screen, in ms; null when it is live, give or take what streaming takes. */
export function instant() {
  const { wanted, video } = playback;
  if (!wanted || !video) return null;
  if (wanted.from !== null) return wanted.from + video.currentTime * 1000;
  const behind = hls ? hls.latency * 1000 : (lastOf(video.seekable) - video.currentTime) * 1000;
  return behind > BEHIND_MS ? Date.now() - behind : null;
}

/** @param {TimeRanges} ranges */
const lastOf = (ranges) => (ranges.length ? ranges.end(ranges.length - 1) : 0);

/** @param {Wanted} wanted */
function addressOf({ channel, recording, from }) {
  if (recording) {
    const second = Math.max(0, ((from ?? 0) - Date.parse(recording.start)) / 1000);
    return `/recordings/${encodeURIComponent(recording.id)}/index.m3u8?from_s=${second.toFixed(1)}`;
  }
  const at = from === null ? "" : `?at=${rfc3339(from)}`;
  return `/live/${encodeURIComponent(channel?.id ?? "")}/index.m3u8${at}`;
}

/** @param {number} ms */
export const rfc3339 = (ms) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** Why the box refuses `address`: a video element that loads by itself does not say. @param {string} address */
async function refusal(address) {
  try {
    const answer = await fetch(address);
    return answer.ok ? null : ((await answer.json()).code ?? null);
  } catch {
    return null;
  }
}

/** The box's own word in a refused request. @param {any} data @returns {string|null} */
function codeIn(data) {
  try {
    return JSON.parse(data.networkDetails?.responseText ?? "").code ?? null;
  } catch {
    return null;
  }
}
