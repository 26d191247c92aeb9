// The conflict that the tab stores, and its report.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { connectSmooch, connectZendesk } from "./web/chat-identity.js";
import { endpoint, fakeSmooch, fakeStorage, fakeWidget, HOUR, jwt, MINUTE, openTab, problem, SECOND } from "./fakes.mjs";

let api, clock, close;
beforeEach(() => {
  ({ api, clock, close } = openTab());
});
afterEach(() => close());

const getIdpToken = () => "id-ada";
const connect = (widget, more) => connectZendesk({ endpoint, getIdpToken, zE: widget.zE, ...more });
const refusesEmail = () => ({ refuses: ({ email }) => email && "…" });

/** Opens a page in the same tab, with its own widget. */
async function page(knobs = refusesEmail(), more = {}) {
  const widget = fakeWidget(knobs);
  const before = api.log.length;
  const session = await clock.until(connect(widget, more));
  return { widget, session, asked: api.asked().slice(before) };
}

test("the tab stores a reported conflict: no more refusals, and at most one report an hour", async () => {
  const first = await page();
  assert.deepEqual(first.asked, ["token ada", "token ada", "token ada without email", "report ada"]);
  for (let pages = 0; pages < 5; pages += 1) {
    await clock.pass(10 * MINUTE);
    const next = await page();
    assert.deepEqual(next.asked, ["token ada", "token ada without email"]);
    assert.deepEqual(next.widget.handed, ["ada without email"]);
    assert.equal(next.session.outcome, "without_email");
    assert.deepEqual(next.session.conflict, { conflictId: "c0ffee", state: "pending" });
    assert.equal(next.session.reportError, null);
  }
  await clock.pass(11 * MINUTE);
  api.conflict = { conflictId: "c0ffee", state: "needs_review" };
  const later = await page();
  assert.deepEqual(later.asked, ["token ada", "token ada without email", "report ada"]);
  assert.deepEqual(later.session.conflict, api.conflict);
  await clock.pass(30 * MINUTE);
  assert.deepEqual((await page()).asked, ["token ada", "token ada without email"], "the next report is due an hour after the last");
  const kept = [...globalThis.sessionStorage.kept];
  assert.deepEqual(kept.map(([key]) => key), ["chat-identity.conflict.ada"]);
  assert.doesNotMatch(JSON.stringify(kept), /eyJ|id-ada/, "it contains no token");
});

test("the legacy SDK uses the stored conflict too", async () => {
  await page();
  const widget = fakeSmooch(refusesEmail());
  const session = await clock.until(connectSmooch({ endpoint, getIdpToken, Smooch: widget.Smooch }));
  assert.deepEqual([session.outcome, widget.handed], ["without_email", ["ada without email"]]);
});

test("the stored conflict changes only new logins with an email, not existing sessions", async () => {
  const before = fakeWidget();
  await clock.until(connect(before));
  await page();
  await clock.pass(15 * MINUTE);
  before.want();
  await clock.pass(SECOND);
  assert.equal(api.asked().at(-1), "token ada");

  api.script["/zendesk/token"] = () => Response.json({ token: jwt("ada", { email: false }), externalId: "ada", expiresAt: 1, emailIncluded: false });
  const { session, asked } = await page({});
  assert.deepEqual([session.outcome, asked], ["no_email", ["token ada"]]);
});

test("the stored conflict belongs to one user", async () => {
  await page();
  const eve = await page({}, { getIdpToken: () => "id-eve" });
  assert.equal(eve.session.outcome, "with_email");
});

test("the email is tried again after a logout and after a day; a success removes the stored conflict", async () => {
  const { session } = await page();
  await session.logout();
  assert.equal((await page({})).session.outcome, "with_email");
  await page();
  for (let hours = 0; hours < 24; hours += 2) {
    assert.equal((await page()).session.outcome, "without_email");
    await clock.pass(2 * HOUR);
  }
  assert.equal((await page({})).session.outcome, "with_email");
  assert.equal(globalThis.sessionStorage.kept.size, 0);
});

test("a report fails if the response has no conflict", async () => {
  for (const body of [{}, null, { conflictId: "" }, { state: "pending" }]) {
    api.script["/zendesk/conflicts"] = () => Response.json(body, { status: 202 });
    const { session } = await page();
    assert.deepEqual([session.conflict, session.reportError.code], [null, "upstream_error"]);
    assert.equal(globalThis.sessionStorage.kept.size, 0);
  }
});

test("a failed hourly report keeps the stored conflict", async () => {
  await page();
  await clock.pass(2 * HOUR);
  api.script["/zendesk/conflicts"] = () => problem(500);
  const { session } = await page();
  assert.equal(session.conflict.conflictId, "c0ffee");
  assert.equal(session.reportError.code, "upstream_error");
});

test("a report is retried like a token request, and a failed report is not stored", async () => {
  api.script["/zendesk/conflicts"] = () => problem(429);
  const { session, asked } = await page();
  assert.equal(asked.filter((what) => what === "report ada").length, 4);
  assert.equal(session.reportError.code, "too_many_requests");
  assert.equal(globalThis.sessionStorage.kept.size, 0);
});

for (const [what, storage] of Object.entries({
  "is forbidden": { get: () => { throw new DOMException("denied", "SecurityError"); } },
  "is missing": { value: undefined },
  "is full": { value: { ...fakeStorage(), setItem: () => { throw new DOMException("full", "QuotaExceededError"); } } },
  "contains invalid JSON": { value: { ...fakeStorage(), getItem: () => "{not json" } },
  "contains null": { value: { ...fakeStorage(), getItem: () => "null" } },
})) {
  test(`a login works if the storage ${what}`, async () => {
    Object.defineProperty(globalThis, "sessionStorage", { configurable: true, ...storage });
    assert.equal((await page()).session.outcome, "without_email");
    assert.equal((await page()).session.outcome, "without_email");
    assert.equal((await page({})).session.outcome, "with_email");
  });
}
