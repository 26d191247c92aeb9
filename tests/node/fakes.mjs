// A clock, an API, a tab's storage and both SDKs, as the tests script them. Nothing here waits in
// real time: `clock.pass` moves the clock, and lets everything happen that is due.

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
    /** Lets `ms` pass in small steps, with all that follows from each. */
    async pass(ms) {
      await settle();
      for (let step; ms > 0; ms -= step) {
        step = Math.min(ms, ms > 10 * SECOND ? SECOND : 100);
        mock.timers.tick(step);
        await settle();
      }
    },
    /** Lets time pass until a promise is settled, and gives what it came to. */
    async until(promise) {
      const outcome = promise.then((value) => ({ value }), (error) => ({ error }));
      let isDone = false;
      outcome.then(() => (isDone = true));
      for (let passed = 0; passed < 10 * MINUTE; passed += 100) {
        await settle();
        if (isDone) break;
        mock.timers.tick(100);
      }
      assert.ok(isDone, "the promise is settled within ten minutes");
      const { value, error } = await outcome;
      if (error) throw error;
      return value;
    },
  };
}

/** Lets everything happen that needs no time. */
export async function settle() {
  for (let turns = 0; turns < 8; turns += 1) await new Promise(setImmediate);
}

/** A JWT as sign-token makes it, in form. */
export function jwt(externalId, { email = true, number = 0, life = 900, now = Date.now() } = {}) {
  const iat = Math.floor(now / 1000);
  const part = (json) => Buffer.from(JSON.stringify(json)).toString("base64url");
  return `${part({ alg: "HS256" })}.${part({ external_id: externalId, email, number, iat, exp: iat + life })}.x`;
}
export const readJwt = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

/** Whose ID token the site gives is in it: `id-ada`. */
const userOf = (headers) => (headers.authorization ?? "").replace(/^Bearer id-|#.*$/g, "");

/**
 * The API. `script[path]` may answer a request itself: a `Response`, "unreachable", or nothing for the
 * usual answer; it may be a promise.
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
  /** What was asked, in short: `token ada`, `token ada without email`, `report ada`. */
  api.asked = () => api.log.map(({ path, user, body }) => (path === "/zendesk/conflicts" ? `report ${user}` : `token ${user}${body.includeEmail === false ? " without email" : ""}`));
  return api;
}

export const problem = (status, json = null, headers = {}) => new Response(json && JSON.stringify(json), { status, headers });
/** Answers as scripted, in order, then as usual. */
export const inTurn = (...answers) => () => answers.shift();

/** A promise that the test resolves when it likes. */
export function gate() {
  const made = {};
  made.promise = new Promise((resolve) => (made.open = resolve));
  return made;
}

export const refusal = (reason = "…") => ({ type: "LoginFailedError", message: "refused", reason });

/**
 * A web widget. `who` is the user that it shows, "stranger" if there is none; `handed` all tokens that
 * it got. `refuses(claims, count)` gives the reason why it refuses a token; `takes` is the time that a
 * login takes it; `confirm` may hold it back. While `isLoading` it queues its calls, as the snippet does.
 */
export function fakeWidget({ refuses = () => null, takes = 5, confirm = () => {}, isLoading = false } = {}) {
  const widget = { who: "stranger", handed: [], calls: [], queue: [], wasWiped: false, want: null };
  const run = (call, jwtCallback, loginCallback) => {
    if (call === "logoutUser") {
      // As documented: on a stranger it deletes the conversation for good.
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

/** The legacy SDK, with the same knobs. */
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

/** A tab's storage, as a browser has it. */
export function fakeStorage() {
  const kept = new Map();
  return {
    kept,
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, String(value)),
    removeItem: (key) => void kept.delete(key),
  };
}

/** Opens a tab: it has a storage of its own, and the clock and the API start again. */
export function openTab() {
  const clock = startClock();
  globalThis.sessionStorage = fakeStorage();
  const close = () => {
    clock.stop();
    delete globalThis.sessionStorage;
  };
  return { api: fakeApi(), clock, close };
}

/** Checks an error's type and code, and that no ID token is in it. */
export function isOurs(error, code) {
  assert.ok(error instanceof ChatIdentityError, `not ours: ${error?.stack ?? error}`);
  if (code) assert.equal(error.code, code);
  assert.doesNotMatch(JSON.stringify([error.message, error.stack, { ...error }]), /id-ada|id-eve|eyJ/);
  return true;
}
