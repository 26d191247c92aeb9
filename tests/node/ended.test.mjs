// Callbacks and requests that arrive after a session ended, and its leftovers: the widget's late or
// repeated callbacks, requests under way, pauses and listeners.

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { afterEach, beforeEach, test } from "node:test";
import { connectSmooch, connectZendesk } from "./web/chat-identity.js";
import { endpoint, fakeApi, fakeSmooch, fakeWidget, gate, isOurs, MINUTE, problem, refusal, SECOND, settle, startClock } from "./fakes.mjs";

let api, clock, widget;
beforeEach(() => {
  clock = startClock();
  api = fakeApi();
  widget = fakeWidget();
});
afterEach(() => clock.stop());

const connect = (user, more) => connectZendesk({ endpoint, getIdpToken: () => `id-${user}`, zE: widget.zE, ...more });
/** A widget that does nothing by itself. The test calls its callbacks. */
const inert = () => {
  const calls = [];
  const zE = (area, call, jwtCallback, loginCallback) => void calls.push({ call, jwtCallback, loginCallback });
  return { zE, calls, names: () => calls.map(({ call }) => call) };
};

test("repeated loginCallbacks for a session that has ended change nothing", async () => {
  await clock.until(connect("ada"));
  const adas = widget.loginCallback;
  await clock.until(connect("eve"));
  const calls = widget.calls.length;
  for (const error of [null, refusal(), null]) adas(error);
  await clock.pass(MINUTE);
  assert.equal(widget.who, "eve");
  assert.equal(widget.calls.length, calls);
});

test("if a renewed token logs the previous user in again, that login is undone", async () => {
  await clock.until(connect("ada"));
  const adas = widget.loginCallback;
  await clock.pass(15 * MINUTE);
  widget.want();
  await settle();
  await clock.until(connect("eve"));
  widget.who = "ada";
  adas(null);
  await clock.pass(MINUTE);
  assert.equal(widget.who, "eve");
});

test("a login that is confirmed without a token is a session; a late confirmation is undone", async () => {
  const { zE, calls, names } = inert();
  const ada = connect("ada", { zE });
  const eve = connect("eve", { zE });
  await assert.rejects(ada, (error) => isOurs(error, "logged_out"));
  calls[1].loginCallback(null);
  assert.equal((await clock.until(eve)).externalId, "eve");
  calls[0].loginCallback(null);
  await settle();
  assert.deepEqual(names(), ["loginUser", "loginUser", "logoutUser", "loginUser"]);
});

test("a session that was confirmed without a token is logged out when it ends", async () => {
  const { zE, calls, names } = inert();
  const login = connect("ada", { zE });
  calls[0].loginCallback(null);
  await (await clock.until(login)).logout();
  assert.deepEqual(names(), ["loginUser", "logoutUser"]);
});

test("a late confirmation does not restart a newer login that has ended too", async () => {
  const held = gate();
  widget = fakeWidget({ confirm: ({ external_id }) => external_id === "ada" && held.promise });
  connect("ada").catch(() => {});
  await clock.pass(SECOND);
  const controller = new AbortController();
  connect("eve", { signal: controller.signal }).catch(() => {});
  controller.abort();
  const logins = () => widget.calls.filter((call) => call === "loginUser").length;
  const before = logins();
  held.open();
  await clock.pass(MINUTE);
  assert.equal(logins(), before);
  assert.equal(widget.who, "stranger");
});

for (const [name, make, login] of [
  ["zE", fakeWidget, (widget, more) => connectZendesk({ endpoint, zE: widget.zE, ...more })],
  ["Smooch", fakeSmooch, (widget, more) => connectSmooch({ endpoint, Smooch: widget.Smooch, ...more })],
]) {
  test(`${name}: an abort logs out a widget that has a token at once, before it confirms`, async () => {
    const widget = make({ confirm: () => gate().promise });
    const controller = new AbortController();
    login(widget, { getIdpToken: () => "id-ada", signal: controller.signal }).catch(() => {});
    await clock.pass(SECOND);
    controller.abort();
    await settle();
    assert.match(widget.calls.at(-1), /logout/);
  });

  test(`${name}: the end of a login aborts its request under way, and no other request begins`, async () => {
    api.script["/zendesk/token"] = () => gate().promise;
    const controller = new AbortController();
    login(make(), { getIdpToken: () => "id-ada", signal: controller.signal }).catch(() => {});
    await settle();
    assert.ok(!api.log[0].request.signal.aborted);
    controller.abort();
    await settle();
    assert.ok(api.log[0].request.signal.aborted);

    const second = new AbortController();
    const getIdpToken = () => (second.abort(), "id-ada");
    await assert.rejects(login(make(), { getIdpToken, signal: second.signal }), (error) => isOurs(error, "logged_out"));
    await clock.pass(MINUTE);
    assert.equal(api.log.length, 1);
  });

  test(`${name}: a session that has ended leaves no listener on the site's signal`, async () => {
    const { signal } = new AbortController();
    const session = await clock.until(login(make(), { getIdpToken: () => "id-ada", signal }));
    assert.equal(getEventListeners(signal, "abort").length, 1);
    await session.logout();
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });
}

test("a finished session can be logged out after a refusal", async () => {
  const errors = [];
  const session = await clock.until(connect("ada", { onError: (error) => errors.push(error.code) }));
  widget.loginCallback(refusal());
  await session.logout();
  assert.deepEqual([errors, widget.calls.at(-1)], [["login_refused"], "logoutUser"]);
});

test("a newer login with invalid options also ends the previous session", async () => {
  await clock.until(connect("ada"));
  await assert.rejects(connect("eve", { endpoint: "" }), (error) => isOurs(error, "invalid_options"));
  assert.equal(widget.who, "stranger");
});

test("even a long pause ends with the session", async () => {
  const smooch = fakeSmooch();
  const session = await clock.until(connectSmooch({ endpoint, getIdpToken: () => "id-ada", Smooch: smooch.Smooch }));
  api.script["/zendesk/token"] = () => problem(503, null, { "retry-after": "3600" });
  let error;
  smooch.want().catch((rejected) => (error = rejected));
  await clock.pass(SECOND);
  await session.logout();
  await settle();
  isOurs(error, "logged_out");
});

test("the logout calls the current zE of the window", async () => {
  globalThis.zE = widget.zE;
  try {
    const session = await clock.until(connect("ada"));
    const { zE, names } = inert();
    globalThis.zE = zE;
    await session.logout();
    assert.deepEqual(names(), ["logoutUser"]);
  } finally {
    delete globalThis.zE;
  }
});
