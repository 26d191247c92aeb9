// The module's interface: the requests of each call, their order, and the result of each response.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, test } from "node:test";
import { gzipSync } from "node:zlib";
import { ChatIdentityError, connectPuzzel, connectSmooch, connectZendesk } from "./web/chat-identity.js";
import { startClock } from "./fakes.mjs";

const endpoint = "https://chat-api.example.com/";
const ID_TOKEN = "id-token-canary";

/** The requests, each with its summary `METHOD path body`. */
let asked;
/** The functions that make the API's responses, by path. */
let responses;
let written;
let clock;
const consoles = { ...console };

const problem = (status, body, headers = {}) => new Response(body && JSON.stringify(body), { status, headers });

beforeEach(() => {
  clock = startClock();
  let count = 0;
  asked = [];
  written = [];
  responses = {
    "/zendesk/token": ({ includeEmail = true }) =>
      Response.json({ token: `jwt-${++count}`, externalId: "123456", expiresAt: 1, emailIncluded: includeEmail }),
    "/zendesk/conflicts": () => Response.json({ conflictId: "c0ffee", state: "pending" }, { status: 202 }),
    "/puzzel/identity": () => Response.json({ userInfoId: "usr_1" }),
  };
  globalThis.fetch = async (url, request) => {
    const { origin, pathname, search, hash } = new URL(url);
    assert.equal(origin + search + hash, "https://chat-api.example.com");
    const body = JSON.parse(request.body);
    asked.push({ what: `${request.method} ${pathname} ${request.body}`, request, body });
    const respond = responses[pathname] ?? responses["*"];
    return respond(body, request);
  };
  for (const level of ["debug", "error", "info", "log", "warn"]) {
    // Node itself warns about its mocked clock.
    console[level] = (...words) => words.join().includes("MockTimers") || written.push(words.join(" "));
  }
});

afterEach(() => {
  clock.stop();
  Object.assign(console, consoles);
  assert.deepEqual(written, [], "the module writes nothing to the console");
});

/** A widget with scripted responses to its logins: an error, or nothing for success. */
function widget(...script) {
  const calls = [];
  const zE = (area, call, jwtCallback, loginCallback) => {
    assert.equal(area, "messenger");
    if (call === "logoutUser") return void calls.push(call);
    zE.expire = () => new Promise((hand) => jwtCallback(hand));
    zE.report = loginCallback;
    jwtCallback((jwt) => {
      calls.push(jwt);
      queueMicrotask(() => loginCallback(script.shift()));
    });
  };
  return Object.assign(zE, { calls });
}

const refusal = { message: "conflict", reason: "…", type: "LoginFailedError" };
const getIdpToken = () => ID_TOKEN;
const what = () => asked.map((one) => one.what);
const rejects = (promise, code, message) => assert.rejects(clock.until(promise), (error) => {
  assert.ok(error instanceof ChatIdentityError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  assert.ok(!JSON.stringify([error.message, error.stack, { ...error }]).includes(ID_TOKEN));
  return true;
});

test("the module is small", async () => {
  const source = await readFile(new URL("./web/chat-identity.js", import.meta.url));
  assert.ok(gzipSync(source).length < 7000, `${gzipSync(source).length} bytes`);
  assert.doesNotMatch(source.toString(), /^import /m);
});

test("a login has the email, and its session names the user", async () => {
  const zE = widget();
  const session = await clock.until(connectZendesk({ endpoint, getIdpToken, zE }));
  assert.equal(session.outcome, "with_email");
  assert.equal(session.externalId, "123456");
  assert.equal(session.conflict, null);
  assert.deepEqual(what(), ["POST /zendesk/token {}"]);
  const { request } = asked[0];
  assert.equal(request.headers.authorization, `Bearer ${ID_TOKEN}`);
  assert.deepEqual([request.credentials, request.cache, request.redirect], ["omit", "no-store", "error"]);
  await session.logout();
  assert.deepEqual(zE.calls, ["jwt-1", "logoutUser"]);
});

test("a user without a verified email is logged in, and nothing is reported", async () => {
  responses["/zendesk/token"] = () => Response.json({ token: "jwt", externalId: "7", expiresAt: 1, emailIncluded: false });
  const session = await clock.until(connectZendesk({ endpoint, getIdpToken, zE: widget() }));
  assert.equal(session.outcome, "no_email");
  assert.deepEqual(what(), ["POST /zendesk/token {}"]);
});

test("each expiry requests a fresh ID token and a fresh token", async () => {
  let asking = 0;
  const zE = widget();
  await clock.until(connectZendesk({ endpoint, getIdpToken: async () => `${ID_TOKEN}-${++asking}`, zE }));
  assert.equal(await zE.expire(), "jwt-2");
  assert.equal(await zE.expire(), "jwt-3");
  assert.equal(asked[2].request.headers.authorization, `Bearer ${ID_TOKEN}-3`);
});

test("a temporary failure is retried once", async () => {
  const session = await clock.until(connectZendesk({ endpoint, getIdpToken, zE: widget(refusal) }));
  assert.equal(session.outcome, "with_email");
  assert.deepEqual(what(), ["POST /zendesk/token {}", "POST /zendesk/token {}"]);
});

test("after a conflict: a login without the email, a report, and no email at the next expiry", async () => {
  const zE = widget(refusal, refusal);
  const session = await clock.until(connectZendesk({ endpoint, getIdpToken, zE }));
  assert.equal(session.outcome, "without_email");
  assert.deepEqual(session.conflict, { conflictId: "c0ffee", state: "pending" });
  const without = 'POST /zendesk/token {"includeEmail":false}';
  const expected = ["POST /zendesk/token {}", "POST /zendesk/token {}", without, "POST /zendesk/conflicts {}"];
  assert.deepEqual(what(), expected);
  await zE.expire();
  assert.deepEqual(what(), [...expected, without]);
});

test("a failed report does not undo the login", async () => {
  responses["/zendesk/conflicts"] = () => problem(429, { message: "Too Many Requests" });
  const session = await clock.until(connectZendesk({ endpoint, getIdpToken, zE: widget(refusal, refusal) }));
  assert.equal(session.outcome, "without_email");
  assert.equal(session.conflict, null);
  assert.equal(session.reportError.code, "too_many_requests");
});

test("a refusal unrelated to the email is not reported as a conflict", async () => {
  await rejects(connectZendesk({ endpoint, getIdpToken, zE: widget(refusal, refusal, refusal) }), "login_refused", /signing secret/);
  assert.equal(asked.filter((one) => one.what.includes("conflicts")).length, 0);
  responses["/zendesk/token"] = () => Response.json({ token: "jwt", externalId: "7", expiresAt: 1, emailIncluded: false });
  asked = [];
  const zE = widget(refusal, refusal);
  await rejects(connectZendesk({ endpoint, getIdpToken, zE }), "login_refused", /operator/);
  assert.equal(asked.length, 2);
  assert.ok(!zE.calls.includes("logoutUser"), "a stranger's conversation is not deleted");
});

test("onError gets errors of a renewal, and another user's token is not handed over", async () => {
  const heard = [];
  const zE = widget();
  const session = await clock.until(connectZendesk({ endpoint, getIdpToken, zE, onError: (error) => heard.push(error.code) }));
  const fail = async (respond) => {
    responses["/zendesk/token"] = respond;
    const handed = zE.expire().then(() => heard.push("handed over"));
    const before = heard.length;
    for (let turns = 0; heard.length === before; turns += 1) {
      assert.ok(turns < 1000, "onError is called");
      await Promise.race([handed, new Promise(setImmediate)]);
    }
  };
  await fail(() => problem(401, { message: "Unauthorized" }));
  await fail(() => Response.json({ token: "eve", externalId: "666", expiresAt: 1, emailIncluded: true }));
  zE.report(refusal);
  assert.deepEqual(heard, ["unauthenticated", "user_changed", "login_refused"]);
  await session.logout();
  zE.report(refusal);
  assert.equal(heard.length, 3, "onError gets no errors of a session that has ended");
});

test("a login rejects if the widget never responds", async (context) => {
  let patience;
  context.mock.method(globalThis, "setTimeout", (end, after) => (patience = { end, after }));
  const login = connectZendesk({ endpoint, getIdpToken, zE: () => {} });
  assert.equal(patience.after, 30_000);
  patience.end();
  await rejects(login, "login_unanswered", /loaded/);
});

test("after the logout no token is handed over, even if its request was under way", async () => {
  const zE = widget();
  const session = await clock.until(connectZendesk({ endpoint, getIdpToken, zE }));
  let respond;
  responses["/zendesk/token"] = () => new Promise((resolve) => (respond = resolve));
  let handed = false;
  zE.expire().then(() => (handed = true));
  while (!respond) await new Promise(setImmediate);
  await session.logout();
  respond(Response.json({ token: "late", externalId: "123456", expiresAt: 1, emailIncluded: true }));
  for (let turns = 0; turns < 5; turns += 1) await new Promise(setImmediate);
  assert.equal(handed, false);
});

test("after a logout another user can log in", async () => {
  const zE = widget();
  const ada = await clock.until(connectZendesk({ endpoint, getIdpToken, zE }));
  await ada.logout();
  responses["/zendesk/token"] = () => Response.json({ token: "bob", externalId: "42", expiresAt: 1, emailIncluded: true });
  const bob = await clock.until(connectZendesk({ endpoint, getIdpToken, zE }));
  assert.equal(bob.externalId, "42");
  assert.deepEqual(zE.calls, ["jwt-1", "logoutUser", "bob"]);
});

test("errors have a code, advice, the status and Retry-After", async () => {
  const login = () => connectZendesk({ endpoint, getIdpToken, zE: widget() });
  const says = async (respond, code, message, status = 0, retryAfter = 0) => {
    responses["/zendesk/token"] = respond;
    await rejects(login(), code, message);
    await assert.rejects(clock.until(login()), { status, retryAfter });
  };
  await says(() => problem(401, { message: "Unauthorized" }), "unauthenticated", /log the user in again/, 401);
  await says(() => problem(404, { message: "Not Found" }), "not_found", /check endpoint/, 404);
  await says(() => problem(500), "upstream_error", /log/, 500);
  const busy = { code: "keys_unavailable", detail: "try again after Retry-After" };
  await says(() => problem(503, busy, { "retry-after": "7" }), "keys_unavailable", /Retry-After/, 503, 7);
  await says(() => Promise.reject(new TypeError("fetch failed")), "unreachable", /AllowedOrigins/);
  await rejects(connectZendesk({ endpoint, getIdpToken: () => "", zE: widget() }), "no_idp_token", /log the user in/);
});

test("the session cookie is sent if there is no getIdpToken", async () => {
  await clock.until(connectZendesk({ endpoint, zE: widget() }));
  const { request } = asked[0];
  assert.equal(request.headers.authorization, undefined);
  assert.equal(request.credentials, "include");
});

test("the legacy SDK: login with id and token, a fresh token from the delegate, and the same handling of a conflict", async () => {
  const calls = [];
  let refusals = 2;
  const Smooch = {
    setDelegate: (delegate) => (Smooch.delegate = delegate),
    login: async (externalId, jwt) => {
      calls.push([externalId, jwt]);
      if (refusals-- > 0) throw refusal;
    },
    logout: async () => calls.push("logout"),
  };
  const session = await clock.until(connectSmooch({ endpoint, getIdpToken, Smooch, delegate: { beforeSend: "kept" } }));
  assert.equal(session.outcome, "without_email");
  assert.deepEqual(calls, [["123456", "jwt-1"], ["123456", "jwt-2"], ["123456", "jwt-3"]]);
  assert.equal(Smooch.delegate.beforeSend, "kept");
  assert.equal(await Smooch.delegate.onInvalidAuth(), "jwt-4");
  assert.equal(asked.at(-1).what, 'POST /zendesk/token {"includeEmail":false}');
  await session.logout();
  assert.equal(calls.at(-1), "logout");
  await rejects(Smooch.delegate.onInvalidAuth(), "logged_out", /connect again/);
});

test("Puzzel, if the page holds the verifier: only the S256 challenge is sent", async () => {
  const puzzel = connectPuzzel({ endpoint, getIdpToken });
  const { userInfoId, codeVerifier } = await puzzel.exchange();
  assert.equal(userInfoId, "usr_1");
  assert.match(codeVerifier, /^[A-Za-z0-9_-]{43}$/);
  const { body } = asked[0];
  assert.deepEqual(body, { codeChallenge: createHash("sha256").update(codeVerifier).digest("base64url") });
  assert.notEqual((await puzzel.exchange()).codeVerifier, codeVerifier);
});

test("Puzzel, if the function holds the verifier: ids are encoded, and the kind of token can be set", async () => {
  responses["*"] = (_, { method }) =>
    method === "PUT" ? new Response(null, { status: 204 }) : Response.json({ conversation: { state: "queued" } });
  const puzzel = connectPuzzel({ endpoint, getIdpToken, tokenKind: "idToken", providerId: 0, visitorToken: "v" });
  assert.deepEqual(await puzzel.startChat("c-1", "Søk hjelp/?"), { state: "queued" });
  assert.equal(await puzzel.setIdentity("c-1"), undefined);
  const body = `{"idToken":"${ID_TOKEN}","providerId":0,"visitorToken":"v"}`;
  assert.deepEqual(what(), [
    `POST /puzzel/conversations/c-1/route/S%C3%B8k%20hjelp%2F%3F ${body}`,
    `PUT /puzzel/conversations/c-1/identity ${body}`,
  ]);
  await connectPuzzel({ endpoint, getIdpToken }).setIdentity("c-1");
  assert.equal(asked.at(-1).what, "PUT /puzzel/conversations/c-1/identity {}");
});
