// Requests to the API and their retries: temporary failures, refused ID tokens, and reused tokens.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { connectSmooch, connectZendesk } from "./web/chat-identity.js";
import { endpoint, fakeApi, fakeSmooch, fakeWidget, gate, HOUR, inTurn, isOurs, jwt, MINUTE, problem, readJwt, SECOND, settle, startClock } from "./fakes.mjs";

let api, clock, widget, errors;
beforeEach(() => {
  clock = startClock();
  api = fakeApi();
  widget = fakeWidget();
  errors = [];
});
afterEach(() => clock.stop());

const onError = (error) => errors.push(isOurs(error) && error.code);
const getIdpToken = () => "id-ada";
const connect = (more) => connectZendesk({ endpoint, getIdpToken, zE: widget.zE, onError, ...more });
/** The times between the requests, in milliseconds. */
const gaps = () => api.log.slice(1).map(({ at }, before) => at - api.log[before].at);

/** Requests a token as the widget does. The result has the token or the error once it is there. */
function wanted() {
  const want = { token: null };
  widget.want().then((token) => (want.token = token), (error) => (want.error = error));
  return want;
}

const PASSING = {
  "no response": () => "unreachable",
  429: () => problem(429, { message: "Too Many Requests" }),
  502: () => problem(502, { code: "upstream_error", detail: "…" }),
  503: () => problem(503, { code: "keys_unavailable", detail: "…" }),
  504: () => problem(504, { code: "upstream_timeout", detail: "…" }),
};

for (const [what, respond] of Object.entries(PASSING)) {
  test(`${what}: a login makes at most four attempts`, async () => {
    api.script["/zendesk/token"] = inTurn(respond(), respond(), respond());
    assert.equal((await clock.until(connect())).outcome, "with_email");
    assert.equal(api.log.length, 4);
    const [one, two, three] = gaps();
    assert.ok(one >= 500 && one <= 1100 && two >= 1000 && two <= 2100 && three >= 2000 && three <= 4100, `${gaps()}`);

    api.log.length = 0;
    api.script["/zendesk/token"] = respond;
    await assert.rejects(clock.until(connect()), (error) => isOurs(error));
    assert.equal(api.log.length, 4);
  });

  test(`${what}: a renewal retries until it works`, async () => {
    await clock.until(connect());
    await clock.pass(15 * MINUTE);
    api.script["/zendesk/token"] = respond;
    const want = wanted();
    await clock.pass(HOUR);
    assert.equal(want.token, null);
    assert.ok(api.log.length > 60, "it keeps retrying");
    assert.ok(Math.max(...gaps().slice(1)) <= 31 * SECOND, "the pauses stay short");
    assert.ok(Math.min(...gaps().slice(8)) >= 15 * SECOND, "the pauses become longer");
    delete api.script["/zendesk/token"];
    await clock.pass(MINUTE);
    assert.ok(want.token);
    assert.equal(errors.length, 1, "onError is called once");
  });
}

for (const status of [400, 403, 404, 405, 413, 415, 422, 500]) {
  test(`${status} is not retried`, async () => {
    api.script["/zendesk/token"] = () => problem(status, { code: "some_code", detail: "what to do" });
    await assert.rejects(clock.until(connect()), (error) => isOurs(error, "some_code") && error.status === status);
    assert.equal(api.log.length, 1);
  });
}

test("an unknown type of code becomes upstream_error", async () => {
  api.script["/zendesk/token"] = () => problem(418, { code: 418, detail: ["teapot"] });
  await assert.rejects(clock.until(connect()), (error) => isOurs(error, "upstream_error") && typeof error.message === "string");
});

test("Retry-After is obeyed, in seconds and as a date", async () => {
  const date = () => new Date(Date.now() + 20 * SECOND).toUTCString();
  api.script["/zendesk/token"] = inTurn(problem(503, null, { "retry-after": "7" }), problem(429, null, { "retry-after": date() }), problem(503, null, { "retry-after": "soon" }));
  await clock.until(connect());
  const [seconds, until, unreadable] = gaps();
  assert.ok(seconds >= 7 * SECOND && seconds < 8 * SECOND, `${seconds}`);
  assert.ok(until >= 12 * SECOND && until <= 21 * SECOND, `${until}`);
  assert.ok(unreadable < 5 * SECOND, `${unreadable}`);
});

test("a Retry-After in the past counts as 0", async () => {
  const past = () => problem(503, null, { "retry-after": new Date(Date.now() - HOUR).toUTCString() });
  api.script["/zendesk/token"] = past;
  await assert.rejects(clock.until(connect()), (error) => isOurs(error) && error.retryAfter === 0);
  assert.ok(gaps().every((gap) => gap >= 500), `${gaps()}`);
});

test("a huge Retry-After is limited to an hour", async () => {
  await clock.until(connect());
  await clock.pass(15 * MINUTE);
  api.script["/zendesk/token"] = () => problem(503, null, { "retry-after": "99999999999" });
  wanted();
  await clock.pass(50 * MINUTE);
  assert.equal(api.log.length, 2);
  await clock.pass(15 * MINUTE);
  assert.equal(api.log.length, 3);
});

test("the back-off is jittered", async () => {
  api.script["/zendesk/token"] = () => "unreachable";
  const waits = new Set();
  for (let page = 0; page < 5; page += 1) {
    api.log.length = 0;
    widget = fakeWidget();
    await clock.until(connect()).catch(() => {});
    waits.add(gaps().join());
  }
  assert.ok(waits.size > 1);
});

test("a request is retried at once when the network is back", async () => {
  await clock.until(connect());
  await clock.pass(15 * MINUTE);
  globalThis.window = new EventTarget();
  try {
    api.script["/zendesk/token"] = () => "unreachable";
    const want = wanted();
    await clock.pass(5 * MINUTE);
    delete api.script["/zendesk/token"];
    assert.equal(want.token, null);
    globalThis.window.dispatchEvent(new Event("online"));
    await settle();
    assert.ok(want.token);
  } finally {
    delete globalThis.window;
  }
});

test("Retry-After is obeyed even when the network is back", async () => {
  await clock.until(connect());
  await clock.pass(15 * MINUTE);
  globalThis.window = new EventTarget();
  try {
    api.script["/zendesk/token"] = inTurn(problem(503, null, { "retry-after": "60" }));
    wanted();
    await clock.pass(10 * SECOND);
    globalThis.window.dispatchEvent(new Event("online"));
    await clock.pass(40 * SECOND);
    assert.equal(api.log.length, 2);
    await clock.pass(20 * SECOND);
    assert.equal(api.log.length, 3);
  } finally {
    delete globalThis.window;
  }
});

test("a renewal retries a getIdpToken that fails because the site is offline", async () => {
  let isOffline = false;
  await clock.until(connect({ getIdpToken: async () => (isOffline ? Promise.reject(new TypeError("offline")) : "id-ada") }));
  await clock.pass(15 * MINUTE);
  isOffline = true;
  const want = wanted();
  await clock.pass(MINUTE);
  assert.deepEqual(errors, ["no_idp_token"]);
  isOffline = false;
  await clock.pass(MINUTE);
  assert.ok(want.token);
});

test("a getIdpToken that fails at a login is not retried", async () => {
  let asked = 0;
  const failing = () => (++asked, Promise.reject(new TypeError("offline")));
  await assert.rejects(clock.until(connect({ getIdpToken: failing })), (error) => isOurs(error, "no_idp_token"));
  assert.equal(asked, 1);
});

test("a renewal does not retry if getIdpToken returns no token, because no one is logged in at the site", async () => {
  let asked = 0;
  await clock.until(connect({ getIdpToken: () => (++asked === 1 ? "id-ada" : null) }));
  await clock.pass(15 * MINUTE);
  wanted();
  await clock.pass(10 * MINUTE);
  assert.deepEqual([errors, asked], [["no_idp_token"], 2]);
});

test("a request without a response is retried after 30 s", async () => {
  const hanging = [new Promise(() => {}), new Response(new ReadableStream({ start() {} }))];
  api.script["/zendesk/token"] = inTurn(...hanging);
  await clock.until(connect());
  assert.equal(api.log.length, 3);
  assert.ok(gaps().every((gap) => gap >= 30 * SECOND), `${gaps()}`);
});

test("a request is retried if the body breaks off, but not if the body is not the API's", async () => {
  const broken = new ReadableStream({ start: (body) => (body.enqueue(new TextEncoder().encode('{"token":')), body.error(new TypeError("reset"))) });
  api.script["/zendesk/token"] = inTurn(new Response(broken));
  await clock.until(connect());
  assert.equal(api.log.length, 2);
  for (const body of ["{}", "<!doctype html>", '""', "null", "[]", '{"token":"","externalId":"ada"}', '{"token":null,"externalId":"ada"}', '{"token":"x"}']) {
    api.log.length = 0;
    widget = fakeWidget();
    api.script["/zendesk/token"] = () => new Response(body);
    await assert.rejects(clock.until(connect()), (error) => isOurs(error, "upstream_error") && error.status === 200);
    assert.equal(api.log.length, 1, body);
    assert.deepEqual(widget.handed, []);
  }
});

test("a 200 without a token at a renewal: onError is called, and nothing is handed over", async () => {
  await clock.until(connect());
  await clock.pass(15 * MINUTE);
  api.script["/zendesk/token"] = () => Response.json({});
  const want = wanted();
  await clock.pass(5 * MINUTE);
  assert.deepEqual([errors, api.log.length, want.token], [["upstream_error"], 2, null]);
});

for (const when of ["login", "expiry"]) {
  test(`401 at a ${when}: getIdpToken is called once more, with fresh`, async () => {
    const hows = [];
    const stale = { getIdpToken: (...how) => (hows.push(...how), how[0]?.fresh ? "id-ada#fresh" : "id-ada#stale") };
    const refuses = ({ request }) => (request.headers.authorization.endsWith("#stale") ? problem(401, { message: "Unauthorized" }) : undefined);
    if (when === "login") api.script["/zendesk/token"] = refuses;
    await clock.until(connect(stale));
    await clock.pass(15 * MINUTE);
    api.script["/zendesk/token"] = refuses;
    const want = wanted();
    await clock.pass(SECOND);
    assert.ok(want.token);
    assert.deepEqual(hows, Array(when === "login" ? 2 : 1).fill({ fresh: true }));

    api.script["/zendesk/token"] = () => problem(401, { message: "Unauthorized" });
    [api.log.length, hows.length] = [0, 0];
    widget = fakeWidget();
    await assert.rejects(clock.until(connect(stale)), (error) => isOurs(error, "unauthenticated"));
    assert.deepEqual([api.log.length, hows.length], [2, 1]);
  });
}

test("401 at a report: it is retried with a fresh ID token, after a check of the user", async () => {
  widget = fakeWidget({ refuses: ({ email }) => email && "…" });
  api.script["/zendesk/conflicts"] = inTurn(problem(401, { message: "Unauthorized" }));
  const hows = [];
  const session = await clock.until(connect({ getIdpToken: (...how) => (hows.push(...how), "id-ada") }));
  assert.deepEqual(hows, [{ fresh: true }]);
  assert.deepEqual(session.conflict, api.conflict);
  assert.deepEqual(api.asked().slice(-3), ["report ada", "token ada without email", "report ada"]);

  let user = "ada";
  widget = fakeWidget({ refuses: ({ email }) => email && "…" });
  api.script["/zendesk/conflicts"] = () => ((user = "eve"), problem(401, { message: "Unauthorized" }));
  api.log.length = 0;
  const changed = await clock.until(connect({ getIdpToken: () => `id-${user}` }));
  assert.equal(changed.reportError.code, "user_changed");
  assert.ok(!api.asked().includes("report eve"));
});

test("401 with a cookie login is final", async () => {
  api.script["/zendesk/token"] = () => problem(401, { message: "Unauthorized" });
  await assert.rejects(clock.until(connect({ getIdpToken: undefined })), (error) => isOurs(error, "unauthenticated"));
  assert.equal(api.log.length, 1);
});

test("twenty simultaneous callbacks make one request, and all get its token", async () => {
  await clock.until(connect());
  await clock.pass(15 * MINUTE);
  const wants = Array.from({ length: 20 }, wanted);
  await clock.pass(SECOND);
  assert.equal(api.log.length, 2);
  assert.equal(new Set(wants.map(({ token }) => token)).size, 1);
});

test("a token is reused if it is valid for more than a minute", async () => {
  await clock.until(connect());
  await clock.pass(13 * MINUTE);
  const early = wanted();
  await settle();
  assert.equal(api.log.length, 1);
  assert.ok(early.token);
  await clock.pass(MINUTE + SECOND);
  wanted();
  await settle();
  assert.equal(api.log.length, 2);
});

test("a token without the email is reused too", async () => {
  widget = fakeWidget({ refuses: ({ email }) => email && "…" });
  await clock.until(connect());
  const asked = api.log.length;
  await clock.pass(10 * MINUTE);
  const want = wanted();
  await settle();
  assert.equal(api.log.length, asked);
  assert.equal(readJwt(want.token).email, false);
});

test("tokens with and without the email have separate requests", async () => {
  const { zE } = widget = fakeWidget({ refuses: ({ email }) => email && "…" });
  let refusals = 0;
  // The widget requests a token just when the second login is refused, and gets no response.
  const asksOnce = (area, call, jwtCallback, loginCallback) =>
    zE(area, call, jwtCallback, (error) => {
      loginCallback(error);
      if (error && ++refusals === 2) {
        api.script["/zendesk/token"] = ({ body }) => (body.includeEmail === false ? undefined : gate().promise);
        jwtCallback(() => {});
      }
    });
  const session = await clock.until(connect({ zE: asksOnce }));
  assert.equal(session.outcome, "without_email");
  assert.equal(api.asked().filter((what) => what === "token ada").length, 3);
});

for (const [how, skew] of [["an hour fast", HOUR], ["an hour slow", -HOUR], ["a year slow", -365 * 24 * HOUR]]) {
  test(`the reuse of a token does not depend on the visitor's clock: ${how}`, async () => {
    api.script["/zendesk/token"] = ({ count }) => {
      const now = Date.now() - skew;
      return Response.json({ token: jwt("ada", { now, number: count }), externalId: "ada", expiresAt: Math.floor(now / 1000) + 900, emailIncluded: true });
    };
    await clock.until(connect());
    await clock.pass(13 * MINUTE);
    wanted();
    await settle();
    assert.equal(api.log.length, 1);
    await clock.pass(2 * MINUTE);
    wanted();
    await settle();
    assert.equal(api.log.length, 2);
  });
}

test("an old token is not reused after the clock is set back", async () => {
  const start = performance.now();
  let monotonic = start;
  mock.method(performance, "now", () => monotonic);
  await clock.until(connect());
  monotonic += 15 * MINUTE;
  wanted();
  await settle();
  assert.equal(api.log.length, 2);
  mock.restoreAll();
});

test("a token that is not a JWT expires at the response's expiresAt", async () => {
  api.script["/zendesk/token"] = ({ count }) => Response.json({ token: `${jwt("ada")}`.replace(/\.[^.]+\./, `.${btoa("{}")}.`), externalId: "ada", expiresAt: Date.now() / 1000 + 900, emailIncluded: true, count });
  const tokens = [];
  const zE = (area, call, jwtCallback, loginCallback) => {
    zE.want = () => jwtCallback((token) => tokens.push(token));
    jwtCallback((token) => (tokens.push(token), loginCallback()));
  };
  await clock.until(connect({ zE }));
  zE.want();
  await settle();
  assert.deepEqual([tokens.length, api.log.length], [2, 1]);
  await clock.pass(15 * MINUTE);
  zE.want();
  await settle();
  assert.deepEqual([tokens.length, api.log.length], [3, 2]);
});

test("onInvalidAuth fetches a new token even if the last one is young, and twenty calls share one request", async () => {
  const { Smooch, want } = (widget = fakeSmooch());
  // The module's method wins even if the site's own delegate has one.
  await clock.until(connectSmooch({ endpoint, getIdpToken, Smooch, delegate: { onInvalidAuth: () => "theirs" } }));
  const first = await want();
  assert.equal(api.log.length, 2);
  const held = gate();
  api.script["/zendesk/token"] = inTurn(held.promise);
  const many = Array.from({ length: 20 }, () => want());
  await settle();
  held.open();
  const tokens = new Set(await Promise.all(many));
  assert.equal(tokens.size, 1);
  assert.ok(!tokens.has(first));
  assert.equal(api.log.length, 3);
});
