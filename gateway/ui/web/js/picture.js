/**
 * The picture in the page's own video element, when the box has no screen of its own.
 * One rule: every report names the stream it is about, and "first frame" is said
 * only when the browser has put a frame of that stream on the screen.
 *
 * @import { Track, Tv } from "./types.js"
 * @typedef {{stream_id: string, picture: "first_frame"|"stalled"|"resumed"|"failed",
 *   code?: string, tracks?: Track[]}} Report
 */

export const FAILED = "TV-301";
export const UNPLAYABLE = "TV-305";
const LOOK_EVERY_MS = 500;
const STALLED_AFTER_MS = 2_500;

/** What hls.js calls a codec that this browser lacks. */
const NO_CODEC = new Set(["manifestIncompatibleCodecsError", "bufferAddCodecError", "bufferIncompatibleCodecsError"]);

const retry = { maxNumRetry: 4, retryDelayMs: 300, maxRetryDelayMs: 1_500 };
const load = { default: { maxTimeToFirstByteMs: 8_000, maxLoadTimeMs: 15_000, timeoutRetry: retry, errorRetry: retry } };
const TUNING = {
  workerPath: new URL("../vendor/hls.worker.js", import.meta.url).href,
  startFragPrefetch: true, liveSyncDurationCount: 2, liveMaxLatencyDurationCount: 8,
  maxBufferLength: 12, maxMaxBufferLength: 24, backBufferLength: 6, capLevelToPlayerSize: false,
  renderTextTracksNatively: true,
  manifestLoadPolicy: load, playlistLoadPolicy: load, fragLoadPolicy: load,
};

/** What is over is played where it begins, however far live has gone on. */
const PAST = { ...TUNING, liveMaxLatencyDurationCount: Infinity, backBufferLength: 30, maxBufferLength: 20 };

/** @param {string} address */
const isPast = (address) => address.startsWith("/recordings/") || address.includes("?at=") || address.includes("&at=");

export class Picture {
  /**
   * @param {HTMLElement} place where the video element goes
   * @param {(report: Report) => void} report
   * @param {(silenced: boolean) => void} onSilenced the browser wants a key before it gives sound
   */
  constructor(place, report, onSilenced) {
    this._place = place;
    this._report = report;
    this._onSilenced = onSilenced;
    /** @type {HTMLVideoElement|null} */
    this._video = null;
    /** @type {any} */
    this._hls = null;
    /** @type {string|null} */
    this._stream = null;
    this._silenced = false;
    this._shown = false;
    this._stalled = false;
    this._ended = false;
    this._recovered = false;
    this._paused = false;
    this._movedAt = 0;
    this._position = 0;
    setInterval(() => this._look(), LOOK_EVERY_MS);
  }

  /** Follow what the television says; `fresh` after the link was lost. @param {Tv} tv @param {boolean} [fresh] */
  show(tv, fresh = false) {
    const stream = tv.plane === "inpage" && tv.stream ? tv.stream_id : null;
    if (stream !== this._stream || (fresh && this._ended)) {
      this._end();
      this._stream = stream;
      if (stream) this._begin(stream, /** @type {string} */ (tv.stream));
      else this._place.replaceChildren();
    }
    if (!this._video) return;
    this._hold(tv.paused);
    this._video.volume = Math.min(1, Math.max(0, tv.volume_percent / 100));
    this._video.muted = tv.muted || this._silenced;
    this._choose(tv.tracks);
  }

  /** Hold the picture, or let it go on. @param {boolean} paused */
  _hold(paused) {
    const goesOn = this._paused && !paused;
    this._paused = paused;
    const video = this._video;
    if (!video) return;
    if (paused) video.pause();
    else if (goesOn && video.paused) this._play(video);
    this._movedAt = performance.now();
  }

  /** A person pressed a key: sound may begin. */
  unsilence() {
    if (!this._silenced || !this._video) return;
    this._silenced = false;
    this._video.muted = false;
    this._onSilenced(false);
  }

  /** @param {string} stream @param {string} address */
  async _begin(stream, address) {
    Object.assign(this, { _shown: false, _stalled: false, _ended: false, _recovered: false, _position: 0 });
    const video = document.createElement("video");
    video.playsInline = true;
    video.disablePictureInPicture = true;
    this._video = video;
    this._place.replaceChildren(video);
    video.requestVideoFrameCallback(() => this._first(stream));
    video.addEventListener("timeupdate", () => {
      if (video.currentTime > 0.3 && video.videoWidth === 0 && video.readyState > 2) this._first(stream); // radio
    });
    video.addEventListener("error", () => this._fail(stream, video.error?.code === 4 ? UNPLAYABLE : FAILED));
    const { default: Hls } = await import("../vendor/hls.js");
    if (this._video !== video) return;
    if (!Hls.isSupported()) {
      this._fail(stream, UNPLAYABLE);
      return;
    }
    const hls = new Hls(/** @type {any} */ (isPast(address) ? PAST : TUNING));
    this._hls = hls;
    hls.on(Hls.Events.ERROR, (_event, data) => this._heedError(stream, hls, data));
    hls.on(Hls.Events.MANIFEST_PARSED, () => this._paused || this._play(video));
    hls.loadSource(address);
    hls.attachMedia(video);
  }

  /** @param {string} stream @param {any} hls @param {any} data */
  _heedError(stream, hls, data) {
    if (NO_CODEC.has(data.details)) this._fail(stream, UNPLAYABLE);
    else if (!data.fatal || this._hls !== hls) return;
    else if (data.type === "mediaError" && !this._recovered) {
      this._recovered = true;
      hls.recoverMediaError();
    } else this._fail(stream, codeIn(data) ?? FAILED);
  }

  /** @param {HTMLVideoElement} video */
  async _play(video) {
    try {
      await video.play();
    } catch (error) {
      if (/** @type {Error} */ (error).name !== "NotAllowedError" || this._video !== video) return;
      this._silenced = true;
      video.muted = true;
      this._onSilenced(true);
      await video.play().catch(() => {});
    }
  }

  /** @param {string} stream */
  _first(stream) {
    if (stream !== this._stream || this._shown || this._ended) return;
    this._shown = true;
    this._movedAt = performance.now();
    this._report({ stream_id: stream, picture: "first_frame", tracks: this._tracks() });
  }

  /** @returns {Track[]} */
  _tracks() {
    const hls = this._hls;
    if (!hls) return [];
    /** @param {any[]} list @param {"audio"|"subtitle"} kind @param {number} chosen */
    const named = (list, kind, chosen) => list.map((track, i) => ({
      id: `${kind}-${i}`, kind, language: track.lang ?? "", name: track.name ?? "", selected: i === chosen,
    }));
    return [...named(hls.audioTracks, "audio", hls.audioTrack), ...named(hls.subtitleTracks, "subtitle", hls.subtitleTrack)];
  }

  /** @param {Track[]} tracks */
  _choose(tracks) {
    const hls = this._hls;
    if (!hls || !this._shown || tracks.length === 0) return;
    /** @param {string} kind */
    const chosen = (kind) => Number(tracks.find((t) => t.kind === kind && t.selected)?.id.split("-")[1] ?? -1);
    const audio = chosen("audio");
    if (audio >= 0 && audio !== hls.audioTrack) hls.audioTrack = audio;
    const subtitle = chosen("subtitle");
    if (subtitle !== hls.subtitleTrack) hls.subtitleTrack = subtitle;
    hls.subtitleDisplay = subtitle >= 0;
  }

  _look() {
    const video = this._video;
    if (!video || !this._stream || !this._shown || this._ended || this._paused) return;
    const moved = video.currentTime !== this._position;
    this._position = video.currentTime;
    if (moved) this._movedAt = performance.now();
    const still = performance.now() - this._movedAt > STALLED_AFTER_MS;
    if (still === this._stalled || (still && document.hidden)) return;
    this._stalled = still;
    this._report({ stream_id: this._stream, picture: still ? "stalled" : "resumed" });
    if (still && video.paused) this._play(video);
  }

  /** @param {string} stream @param {string} code */
  _fail(stream, code) {
    if (stream !== this._stream || this._ended) return;
    this._ended = true;
    this._hls?.destroy();
    this._hls = null;
    this._report({ stream_id: stream, picture: "failed", code });
  }

  _end() {
    this._hls?.destroy();
    this._hls = null;
    this._video = null;
  }
}

/** The relay's own code in a refused request, if it gave one. @param {any} data @returns {string|null} */
function codeIn(data) {
  try {
    return JSON.parse(data.networkDetails?.responseText ?? "").code ?? null;
  } catch {
    return null;
  }
}
