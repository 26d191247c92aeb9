// Fakes of the clock, the API, a tab's storage and both SDKs. Nothing here waits in real time:
// `clock.pass` moves the clock and runs everything that is due.

import assert from "node:assert/strict";
import { mock } from "node:test";
import { ChatIdentityError } from "./web/chat-identity.js";

export const endpoint = "https://chat-api.example.com";
export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

/** Starts the clock at a fixed time. */
export function startClock() {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.UTC(2026, 10, 26) });
  return {
    stop: () => mock.timers.reset(),
    /** Lets `ms` pass in small steps, and runs everything that is due after each step. */
    async pass(ms) {
      await settle();
      for (let step; ms > 0; ms -= step) {
        step = Math.min(ms, ms > 10 * SECOND ? SECOND : 100);
        mock.timers.tick(step);
        await settle();
      }
    },
    /** Lets time pass until a promise settles, and returns its value or throws its error. */
    async until(promise) {
      const outcome = promise.then((value) => ({ value }), (error) => ({ error }));
      let isDone = false;
      outcome.then(() => (isDone = true));
      for (let passed = 0; passed < 10 * MINUTE; passed += 100) {
        await settle();
        if (isDone) break;
        mock.timers.tick(100);
      }
      assert.ok(isDone, "the promise settles within ten minutes");
      const { value, error } = await outcome;
      if (error) throw error;
      return value;
    },
  };
}

/** Runs everything that needs no time. */
export async function settle() {
  for (let turns = 0; turns < 8; turns += 1) await new Promise(setImmediate);
}

/** Makes a JWT in the format of sign-token. */
export function jwt(externalId, { email = true, number = 0, life = 900, now = Date.now() } = {}) {
  const iat = Math.floor(now / 1000);
  const part = (json) => Buffer.from(JSON.stringify(json)).toString("base64url");
  return `${part({ alg: "HS256" })}.${part({ external_id: externalId, email, number, iat, exp: iat + life })}.x`;
}
export const readJwt = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

/** The ID token names its user: `id-ada`. */
const userOf = (headers) => (headers.authorization ?? "").replace(/^Bearer id-|#.*$/g, "");

/**
 * The API. `script[path]` may return its own response: a `Response`, "unreachable", or nothing for the
 * usual response; it may be a promise.
 */
export function fakeApi() {
  const api = { log: [], script: {}, life: 900, conflict: { conflictId: "c0ffee", state: "pending" } };
  const usual = (path, user, body) => {
    if (path === "/zendesk/conflicts") return Response.json(api.conflict, { status: 202 });
    const email = body.includeEmail !== false;
    const token = jwt(user, { email, number: api.log.length, life: api.life });
    const expiresAt = readJwt(token).exp;
    return Response.json({ token, externalId: user, expiresAt, emailIncluded: email, emailOmittedBecause: null });
  };
  globalThis.fetch = async (url, request) => {
    const path = new URL(url).pathname;
    const body = JSON.parse(request.body);
    const user = userOf(request.headers);
    api.log.push({ path, user, body, request, at: Date.now() });
    const aborted = new Promise((_, reject) => request.signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError"))));
    const scripted = await Promise.race([api.script[path]?.({ user, body, request, count: api.log.length }), aborted]);
    if (scripted === "unreachable") throw new TypeError("fetch failed");
    return scripted ?? usual(path, user, body);
  };
  /** The requests in short: `token ada`, `token ada without email`, `report ada`. */
  api.asked = () => api.log.map(({ path, user, body }) => (path === "/zendesk/conflicts" ? `report ${user}` : `token ${user}${body.includeEmail === false ? " without email" : ""}`));
  return api;
}

export const problem = (status, json = null, headers = {}) => new Response(json && JSON.stringify(json), { status, headers });
/** Returns the scripted responses in order, then the usual one. */
export const inTurn = (...responses) => () => responses.shift();

/** A promise that the test resolves. */
export function gate() {
  const made = {};
  made.promise = new Promise((resolve) => (made.open = resolve));
  return made;
}

export const refusal = (reason = "…") => ({ type: "LoginFailedError", message: "refused", reason });

/**
 * A web widget. `who` is the user that it shows, or "stranger"; `handed` has all tokens that it got.
 * `refuses(claims, count)` returns the reason for a refusal; `takes` is the duration of a login, and
 * `confirm` may delay it. While `isLoading` it queues its calls, as the snippet does.
 */
export function fakeWidget({ refuses = () => null, takes = 5, confirm = () => {}, isLoading = false } = {}) {
  const widget = { who: "stranger", handed: [], calls: [], queue: [], wasWiped: false, want: null };
  const run = (call, jwtCallback, loginCallback) => {
    if (call === "logoutUser") {
      // As documented: for a stranger, a logout deletes the conversation permanently.
      if (widget.who === "stranger" && widget.wasRefused) widget.wasWiped = true;
      widget.who = "stranger";
      widget.want = null;
      return;
    }
    widget.want = () => new Promise((hand) => jwtCallback(hand));
    widget.loginCallback = loginCallback;
    jwtCallback(async (token) => {
      const claims = readJwt(token);
      widget.handed.push(`${claims.external_id}${claims.email ? "" : " without email"}`);
      const count = widget.handed.length;
      await new Promise((resolve) => setTimeout(resolve, takes));
      await confirm(claims, count);
      const reason = refuses(claims, count);
      widget.wasRefused = Boolean(reason);
      widget.who = reason ? "stranger" : claims.external_id;
      loginCallback(reason ? refusal(reason) : null);
    });
  };
  widget.zE = (area, call, ...callbacks) => {
    assert.equal(area, "messenger");
    widget.calls.push(call);
    if (isLoading) widget.queue.push([call, ...callbacks]);
    else run(call, ...callbacks);
  };
  widget.load = () => {
    isLoading = false;
    for (const call of widget.queue.splice(0)) run(...call);
  };
  return widget;
}

/** The legacy SDK, with the same options. */
export function fakeSmooch({ refuses = () => null, takes = 5, confirm = () => {} } = {}) {
  const widget = { who: "stranger", handed: [], calls: [], wasWiped: false };
  widget.Smooch = {
    setDelegate: (delegate) => (widget.delegate = delegate),
    async login(externalId, token) {
      const claims = readJwt(token);
      assert.equal(externalId, claims.external_id);
      widget.calls.push("login");
      widget.handed.push(`${externalId}${claims.email ? "" : " without email"}`);
      const count = widget.handed.length;
      await new Promise((resolve) => setTimeout(resolve, takes));
      await confirm(claims, count);
      const reason = refuses(claims, count);
      widget.wasRefused = Boolean(reason);
      widget.who = reason ? "stranger" : externalId;
      if (reason) throw refusal(reason);
    },
    async logout() {
      widget.calls.push("logout");
      if (widget.who === "stranger" && widget.wasRefused) widget.wasWiped = true;
      widget.who = "stranger";
    },
  };
  widget.want = () => widget.delegate.onInvalidAuth();
  return widget;
}

/** A tab's storage, as in a browser. */
export function fakeStorage() {
  const kept = new Map();
  return {
    kept,
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, String(value)),
    removeItem: (key) => void kept.delete(key),
  };
}

/** Opens a tab with its own storage, and restarts the clock and the API. */
export function openTab() {
  const clock = startClock();
  globalThis.sessionStorage = fakeStorage();
  const close = () => {
    clock.stop();
    delete globalThis.sessionStorage;
  };
  return { api: fakeApi(), clock, close };
}

/** Checks an error's type and code, and that it contains no ID token. */
export function isOurs(error, code) {
  assert.ok(error instanceof ChatIdentityError, `not ours: ${error?.stack ?? error}`);
  if (code) assert.equal(error.code, code);
  assert.doesNotMatch(JSON.stringify([error.message, error.stack, { ...error }]), /id-ada|id-eve|eyJ/);
  return true;
}
