// The course of a login: a widget that does not respond, refusals and their reasons, and errors.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { connectPuzzel, connectSmooch, connectZendesk } from "./web/chat-identity.js";
import { endpoint, fakeSmooch, fakeWidget, isOurs, MINUTE, openTab, problem, SECOND, settle } from "./fakes.mjs";

let api, clock, close, errors;
beforeEach(() => {
  ({ api, clock, close } = openTab());
  errors = [];
});
afterEach(() => close());

const onError = (error) => errors.push(isOurs(error) && error.code);
const getIdpToken = () => "id-ada";
const connect = (widget, more) => connectZendesk({ endpoint, getIdpToken, zE: widget.zE, onError, ...more });
const refusesEmail = (reason = "…") => ({ refuses: ({ email }) => email && reason });

test("if the widget loads after a minute, the promise rejects, and the user is logged in later", async () => {
  const widget = fakeWidget({ isLoading: true });
  const login = connect(widget);
  await assert.rejects(clock.until(login), (error) => isOurs(error, "login_unanswered"));
  await clock.pass(30 * SECOND);
  assert.deepEqual(api.log, []);
  widget.load();
  await clock.pass(SECOND);
  assert.equal(widget.who, "ada");
  await clock.pass(15 * MINUTE);
  let later;
  widget.want().then((token) => (later = token));
  await settle();
  assert.ok(later, "the token is renewed at the next expiry");
  assert.deepEqual(errors, []);
});

test("after login_unanswered a token request is retried until it works, and onError gets the failures", async () => {
  const widget = fakeWidget({ isLoading: true });
  await clock.until(connect(widget)).catch(() => {});
  api.script["/zendesk/token"] = () => "unreachable";
  widget.load();
  await clock.pass(10 * MINUTE);
  assert.deepEqual(errors, ["unreachable"]);
  delete api.script["/zendesk/token"];
  await clock.pass(MINUTE);
  assert.equal(widget.who, "ada");

  const other = fakeWidget({ isLoading: true });
  await clock.until(connect(other)).catch(() => {});
  let isLoggedOut = true;
  errors.length = 0;
  other.queue[0][1] = ((jwtCallback) => (hand) => ((other.want = () => jwtCallback(hand)), jwtCallback(hand)))(other.queue[0][1]);
  api.script["/zendesk/token"] = () => (isLoggedOut ? problem(401) : undefined);
  other.load();
  await clock.pass(SECOND);
  assert.deepEqual(errors, ["unauthenticated"]);
  isLoggedOut = false;
  other.want();
  await clock.pass(SECOND);
  assert.equal(other.who, "ada", "the widget gets a token at its next request");
});

for (const [name, login] of [
  ["zE", (knobs) => connect(fakeWidget(knobs))],
  ["Smooch", (knobs) => connectSmooch({ endpoint, getIdpToken, onError, Smooch: fakeSmooch(knobs).Smooch })],
]) {
  test(`${name}: after a refused late login, the user is logged in without the email, and the conflict is reported`, async () => {
    let slow = MINUTE;
    const knobs = { ...refusesEmail(), confirm: () => new Promise((resolve) => setTimeout(resolve, slow)) };
    await assert.rejects(clock.until(login(knobs)), (error) => isOurs(error, "login_unanswered"));
    slow = 0;
    await clock.pass(2 * MINUTE);
    assert.deepEqual(api.asked(), ["token ada", "token ada", "token ada without email", "report ada"]);
    assert.deepEqual(errors, []);
  });

  test(`${name}: onError gets the error if a late login is finally refused`, async () => {
    const knobs = { refuses: () => "…", confirm: () => new Promise((resolve) => setTimeout(resolve, MINUTE)) };
    await assert.rejects(clock.until(login(knobs)), (error) => isOurs(error, "login_unanswered"));
    await clock.pass(10 * MINUTE);
    assert.deepEqual(errors, ["login_refused"]);
  });

  test(`${name}: the retry comes at least half a second after the refusal`, async () => {
    let refused;
    await clock.until(login({ refuses: (_, count) => count === 1 && ((refused = Date.now()), "…") }));
    const pause = api.log[1].at - refused;
    assert.ok(pause >= 500 && pause < 2000, `${pause}`);
  });
}

test("onSession gets a late session, and a session that works again after an error", async () => {
  const heard = [];
  const options = { onSession: (session) => heard.push(session), onError };
  const late = fakeWidget({ isLoading: true });
  await assert.rejects(clock.until(connect(late, options)), (error) => isOurs(error, "login_unanswered"));
  assert.deepEqual(heard, []);
  late.load();
  await clock.pass(SECOND);
  assert.deepEqual(heard.map(({ externalId, outcome }) => [externalId, outcome]), [["ada", "with_email"]]);

  await clock.pass(15 * MINUTE);
  api.script["/zendesk/token"] = () => "unreachable";
  late.want();
  await clock.pass(MINUTE);
  assert.deepEqual([errors, heard.length], [["unreachable"], 1]);
  delete api.script["/zendesk/token"];
  await clock.pass(MINUTE);
  assert.deepEqual([heard.length, heard[1]], [2, heard[0]]);
  late.want();
  await clock.pass(MINUTE);
  assert.equal(heard.length, 2, "onSession is called only after an error");
  await heard[0].logout();
  assert.equal(late.who, "stranger");
});

test("onSession is not called for a login without errors, nor if the login ended during its report", async () => {
  const heard = [];
  const onSession = (session) => heard.push(session);
  const well = fakeWidget();
  await clock.until(connect(well, { onSession }));
  await clock.pass(15 * MINUTE);
  well.want();
  await clock.pass(MINUTE);
  api.script["/zendesk/conflicts"] = () => new Promise((resolve) => setTimeout(resolve, MINUTE));
  const controller = new AbortController();
  const late = fakeWidget({ ...refusesEmail(), isLoading: true });
  await assert.rejects(clock.until(connect(late, { onSession, signal: controller.signal })));
  late.load();
  await clock.pass(10 * SECOND);
  assert.equal(late.who, "ada");
  controller.abort();
  await clock.pass(10 * MINUTE);
  assert.deepEqual(heard, []);
});

test("an onError or an onSession that throws does not end the session", async () => {
  const uncaught = [];
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (error) => uncaught.push(error.message));
  try {
    const late = fakeWidget({ isLoading: true });
    const fails = (what) => () => { throw new Error(what); };
    await clock.until(connect(late, { onError: fails("onError"), onSession: fails("onSession") })).catch(() => {});
    api.script["/zendesk/token"] = () => "unreachable";
    late.load();
    await clock.pass(MINUTE);
    delete api.script["/zendesk/token"];
    await clock.pass(MINUTE);
    assert.deepEqual([late.who, uncaught], ["ada", ["onError", "onSession"]]);
  } finally {
    process.removeAllListeners("unhandledRejection");
    for (const listener of listeners) process.on("unhandledRejection", listener);
  }
});

test("after login_unanswered, a login is retried until an outage of the chat is over", async () => {
  const widget = fakeWidget({ isLoading: true, refuses: (_, count) => count <= 8 && "Service Unavailable" });
  await clock.until(connect(widget)).catch(() => {});
  widget.load();
  await clock.pass(5 * MINUTE);
  assert.deepEqual([widget.who, errors], ["ada", []]);
});

test("the API's response time does not count towards the widget's timeout", async () => {
  api.script["/zendesk/token"] = ({ count }) => (count < 4 ? problem(503, null, { "retry-after": "20" }) : undefined);
  const session = await clock.until(connect(fakeWidget({ takes: 25 * SECOND })));
  assert.equal(session.outcome, "with_email");
});

for (const reason of ["Service Unavailable", "503", "HTTP 502 Bad Gateway", "Too Many Requests", "429", "request timed out", "timeout", "Network Error", "Failed to fetch", "Internal Server Error"]) {
  test(`an outage is not a conflict: ${reason}`, async () => {
    const session = await clock.until(connect(fakeWidget({ refuses: (_, count) => count <= 2 && reason })));
    assert.equal(session.outcome, "with_email");
    assert.ok(!api.asked().some((what) => what !== "token ada"), api.asked().join());

    const widget = fakeWidget({ refuses: () => reason });
    await assert.rejects(clock.until(connect(widget)), (error) => isOurs(error, "login_refused") && error.cause.reason === reason && /not available/.test(error.message));
    assert.equal(widget.handed.length, 4);
    assert.ok(!api.asked().includes("report ada"));
  });
}

for (const reason of ["invalid_auth", "Unauthorized", "HTTP 401", "403 Forbidden", "token expired"]) {
  test(`a refusal of the token itself is not a conflict: ${reason}`, async () => {
    const widget = fakeWidget({ refuses: () => reason });
    await assert.rejects(clock.until(connect(widget)), (error) => isOurs(error, "login_refused"));
    assert.deepEqual(widget.handed, ["ada", "ada"]);
    assert.ok(!widget.calls.includes("logoutUser"));
  });
}

for (const reason of ["…", "", "409", "HTTP 409 Conflict", "HTTP 409 from the gateway", "conflict", undefined, 17]) {
  test(`a login without the email after the refusal: ${reason}`, async () => {
    const widget = fakeWidget(refusesEmail(reason || "."));
    const session = await clock.until(connect(widget));
    assert.equal(session.outcome, "without_email");
    assert.deepEqual(widget.handed, ["ada", "ada", "ada without email"]);
  });
}

const hang = () => new Promise(() => {});
for (const [what, options, code] of [
  ["no options", undefined, "invalid_options"],
  ["no endpoint", { endpoint: undefined }, "invalid_options"],
  ["an empty endpoint", { endpoint: "" }, "invalid_options"],
  ["an endpoint that is not a string", { endpoint: new URL(endpoint) }, "invalid_options"],
  ["no widget", { zE: undefined, Smooch: undefined }, "invalid_options"],
  ["a widget of the wrong type", { zE: {}, Smooch: {} }, "invalid_options"],
  ["a getIdpToken that is not a function", { getIdpToken: "eyJ" }, "invalid_options"],
  ["a getIdpToken that throws", { getIdpToken: () => { throw new Error("Login required"); } }, "no_idp_token"],
  ["a getIdpToken that rejects", { getIdpToken: () => Promise.reject(new Error("Login required")) }, "no_idp_token"],
  ["a getIdpToken without a token", { getIdpToken: () => null }, "no_idp_token"],
  ["a getIdpToken that hangs", { getIdpToken: hang }, "no_idp_token"],
  ["a widget that throws undefined", { zE: () => { throw undefined; }, Smooch: { login: () => Promise.reject(), logout() {}, setDelegate() {} } }, "login_refused"],
  ["a widget that throws", { zE: () => { throw new Error("broken"); }, Smooch: { login() { throw new Error("broken"); }, logout() {}, setDelegate() {} } }, "login_refused"],
]) {
  test(`the login rejects with a ChatIdentityError: ${what}`, async () => {
    const { zE } = fakeWidget();
    const { Smooch } = fakeSmooch();
    for (const connect of [connectZendesk, connectSmooch]) {
      const given = options && { endpoint, getIdpToken, zE, Smooch, ...options };
      await assert.rejects(clock.until(connect(given)), (error) => isOurs(error, code));
    }
  });
}

test("all failures of Puzzel's calls are a ChatIdentityError", async () => {
  const calls = (options) => {
    const puzzel = connectPuzzel({ endpoint, getIdpToken, ...options });
    return [() => puzzel.exchange(), () => puzzel.startChat("c", "q"), () => puzzel.setIdentity("c")];
  };
  const reject = async (code, options) => {
    for (const call of calls(options)) await assert.rejects(clock.until(call()), (error) => isOurs(error, code));
  };
  const respond = (make) => (globalThis.fetch = async () => make());
  await reject("invalid_options", { endpoint: undefined });
  await reject("no_idp_token", { getIdpToken: () => { throw new Error("Login required"); } });
  respond(() => Promise.reject(new TypeError("fetch failed")));
  await reject("unreachable");
  respond(() => problem(401));
  await reject("unauthenticated");
  respond(() => new Response("<!doctype html>"));
  const [exchange, startChat] = calls();
  for (const call of [exchange, startChat]) await assert.rejects(call(), (error) => isOurs(error, "upstream_error"));
  await assert.rejects(connectPuzzel({ endpoint, getIdpToken }).startChat("\ud800", "q"), (error) => isOurs(error, "invalid_options"));
  const subtle = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(crypto), "subtle");
  Object.defineProperty(crypto, "subtle", { configurable: true, value: undefined });
  await assert.rejects(exchange(), (error) => isOurs(error, "insecure_context"));
  delete crypto.subtle;
  assert.ok(subtle);
});

test("Puzzel's calls retry once after a 401, with a fresh token in the header and in the body", async () => {
  const sent = [];
  globalThis.fetch = async (_, request) => {
    sent.push([request.headers.authorization, JSON.parse(request.body).idToken]);
    return sent.length === 1 ? problem(401) : Response.json({ conversation: null });
  };
  const tokens = (how) => (how?.fresh ? "id-fresh" : "id-stale");
  assert.equal(await connectPuzzel({ endpoint, getIdpToken: tokens, tokenKind: "idToken" }).startChat("c", "q"), null);
  assert.deepEqual(sent, [["Bearer id-stale", "id-stale"], ["Bearer id-fresh", "id-fresh"]]);
});

test("Puzzel's calls are not retried automatically", async () => {
  let asked = 0;
  globalThis.fetch = async () => (++asked, problem(503, { code: "upstream_busy", detail: "…" }, { "retry-after": "3" }));
  await assert.rejects(connectPuzzel({ endpoint, getIdpToken }).exchange(), (error) => isOurs(error, "upstream_busy") && error.retryAfter === 3);
  assert.equal(asked, 1);
});
