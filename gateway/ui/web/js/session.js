/**
 * The page's way to the daemon: who we are, and one call.
 * One rule: the token leaves the address bar at once and never goes into an address again.
 */

const TOKEN = "gateway.token";
const TIMEOUT_MS = 10_000;

/** The daemon said no, or nothing. */
export class CallError extends Error {
  /**
   * @param {number} status 0 when the daemon was not reached
   * @param {string|null} code the problem document's code
   * @param {string} message
   */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Take the token out of `#t=…`, if there is one, and keep it for this tab. */
export function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("t");
  if (!token) return;
  sessionStorage.setItem(TOKEN, token);
  history.replaceState(null, "", location.pathname + location.search);
}

/**
 * Exchange the token for the cookie.
 * @returns {Promise<"open"|"refused"|"unreachable">}
 */
export async function openSession() {
  const token = sessionStorage.getItem(TOKEN);
  if (!token) return (await probe()) ? "open" : "refused";
  try {
    const answer = await fetch("/api/v1/session", {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "X-Gateway": "1" },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (answer.ok) return "open";
    return answer.status === 401 || answer.status === 403 ? "refused" : "unreachable";
  } catch {
    return "unreachable";
  }
}

/** Whether a cookie of an earlier visit still opens the door. */
async function probe() {
  try {
    return (await fetch("/api/v1/tv", { signal: AbortSignal.timeout(TIMEOUT_MS) })).ok;
  } catch {
    return false;
  }
}

/**
 * Call the API; a session lost to a restart of the daemon is renewed once.
 * @param {"GET"|"POST"|"PUT"|"DELETE"} method
 * @param {string} path below /api/v1/
 * @param {unknown} [body]
 * @returns {Promise<any>} the answer's document, or null
 */
export async function call(method, path, body) {
  let answer = await once(method, path, body);
  if (answer.status === 401 && (await openSession()) === "open") answer = await once(method, path, body);
  const json = (answer.headers.get("content-type") ?? "").includes("json");
  const document = json ? await answer.json().catch(() => null) : null;
  if (answer.ok) return document;
  throw new CallError(answer.status, document?.code ?? null, document?.detail ?? answer.statusText);
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} body
 */
async function once(method, path, body) {
  /** @type {Record<string, string>} */
  const headers = {};
  if (method !== "GET") headers["X-Gateway"] = "1";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(`/api/v1/${path}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    throw new CallError(0, null, String(error));
  }
}
