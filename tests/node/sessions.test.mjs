// One session for each widget. In every state of a login, a newer login, an abort or a logout leaves the
// widget logged in as the newest session's user, or logged out.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { connectSmooch, connectZendesk } from "./web/chat-identity.js";
import { endpoint, fakeSmooch, fakeWidget, gate, inTurn, isOurs, MINUTE, openTab, problem, settle } from "./fakes.mjs";

let api, clock, close;
beforeEach(() => {
  ({ api, clock, close } = openTab());
});
afterEach(() => close());

const SDKS = {
  zE: { make: fakeWidget, connect: (widget, options) => connectZendesk({ endpoint, zE: widget.zE, ...options }) },
  Smooch: { make: fakeSmooch, connect: (widget, options) => connectSmooch({ endpoint, Smooch: widget.Smooch, ...options }) },
};

/** From now on Ada's requests wait at a gate, but Eve's do not. */
const holds = (path, held) => (api.script[path] = ({ user }) => (user === "ada" ? held.promise : undefined));
const ada = (claims) => claims.external_id === "ada";

/** Each brings Ada's login into a state, and may return the time until the state, in milliseconds. */
const STATES = {
  "waiting for the ID token": ({ id }) => void (id.held = gate()),
  "waiting for the token": ({ held }) => holds("/zendesk/token", held),
  "waiting to retry the token request": () => (api.script["/zendesk/token"] = ({ user }) => (user === "ada" ? problem(503, null, { "retry-after": "5" }) : undefined)),
  "waiting for the widget to confirm": ({ knobs, held }) => (knobs.confirm = (claims) => ada(claims) && held.promise),
  "waiting for the widget to refuse": ({ knobs, held }) => {
    knobs.confirm = (claims) => ada(claims) && held.promise;
    knobs.refuses = (claims) => ada(claims) && "…";
  },
  "in the pause before the second attempt": ({ knobs }) => (knobs.refuses = (claims, count) => ada(claims) && count === 1 && "…"),
  "in the second attempt": ({ knobs, held }) => {
    knobs.refuses = (claims, count) => ada(claims) && count === 1 && "…";
    knobs.confirm = (claims, count) => ada(claims) && count === 2 && held.promise;
    return MINUTE / 60;
  },
  "logging in without the email": ({ knobs, held }) => {
    knobs.refuses = (claims) => ada(claims) && claims.email && "…";
    knobs.confirm = (claims) => ada(claims) && !claims.email && held.promise;
    return MINUTE / 20;
  },
  "reporting": ({ knobs, held }) => {
    knobs.refuses = (claims) => ada(claims) && claims.email && "…";
    holds("/zendesk/conflicts", held);
    return MINUTE / 20;
  },
  "in": () => MINUTE / 60,
  "in, with a token under way": ({ held, id }) => {
    id.later = () => holds("/zendesk/token", held);
    return MINUTE / 60;
  },
  "unanswered after 30 s": ({ knobs, held }) => {
    knobs.confirm = (claims) => ada(claims) && held.promise;
    return MINUTE;
  },
};

/** Begins Ada's login and brings it into a state; `finish` opens its gates. */
async function adaIn(state, sdk) {
  const scene = { knobs: {}, held: gate(), id: {}, user: "ada", errors: [], asked: 0, controller: new AbortController() };
  const wait = STATES[state](scene) ?? 0;
  scene.widget = sdk.make(scene.knobs);
  // `user` and `held` are read at each call, so that a test can change them.
  const getIdpToken = async () => {
    scene.asked += 1;
    if (scene.user === "ada") await scene.id.held?.promise;
    return scene.user && `id-${scene.user}`;
  };
  scene.options = { getIdpToken, onError: (error) => scene.errors.push(error.code) };
  scene.login = sdk.connect(scene.widget, { ...scene.options, signal: scene.controller.signal });
  scene.outcome = scene.login.then((session) => session, (error) => error);
  await clock.pass(Number(wait) || 50);
  if (scene.id.later) {
    scene.id.later();
    api.life = 900;
    await clock.pass(15 * MINUTE);
    scene.widget.want().catch(() => {});
    await settle();
  }
  scene.finish = async () => {
    scene.held.open();
    scene.id.held?.open();
    await clock.pass(MINUTE);
  };
  return scene;
}

for (const [name, sdk] of Object.entries(SDKS)) {
  for (const state of Object.keys(STATES)) {
    const isIn = state.startsWith("in,") || state === "in";

    test(`${name}: Eve logs in while Ada is ${state}`, async () => {
      const scene = await adaIn(state, sdk);
      scene.user = "eve";
      const handed = scene.widget.handed.length;
      const session = await clock.until(sdk.connect(scene.widget, scene.options));
      assert.equal(session.externalId, "eve");
      await scene.finish();
      assert.equal(scene.widget.who, "eve");
      assert.ok(!scene.widget.handed.slice(handed).includes("ada"), "no late token of Ada is handed over");
      const outcome = await scene.outcome;
      if (isIn) {
        await outcome.logout();
        assert.equal(scene.widget.who, "eve", "the logout of the previous session does nothing");
      } else isOurs(outcome, state.startsWith("unanswered") ? "login_unanswered" : "logged_out");
      if (state.includes("pause")) assert.ok(!scene.widget.wasWiped, "no stranger's conversation is deleted");
    });

    test(`${name}: Eve's login fails while Ada is ${state}`, async () => {
      const scene = await adaIn(state, sdk);
      scene.user = "eve";
      const before = api.script["/zendesk/token"];
      api.script["/zendesk/token"] = (request) => (request.user === "eve" ? problem(403) : before?.(request));
      await assert.rejects(clock.until(sdk.connect(scene.widget, scene.options)), (error) => isOurs(error, "forbidden"));
      await scene.finish();
      assert.equal(scene.widget.who, "stranger");
    });

    test(`${name}: an abort while Ada is ${state}`, async () => {
      const scene = await adaIn(state, sdk);
      const asked = [api.log.length, scene.asked];
      scene.controller.abort();
      await settle();
      if (!isIn) isOurs(await scene.outcome, state.startsWith("unanswered") ? "login_unanswered" : "logged_out");
      const handed = scene.widget.handed.length;
      await scene.finish();
      assert.equal(scene.widget.who, "stranger");
      assert.deepEqual([api.log.length, scene.asked], asked, "no further request");
      assert.equal(scene.widget.handed.length, handed, "no late token");
      assert.deepEqual(scene.errors, []);
      if (state.includes("pause")) assert.ok(!scene.widget.wasWiped, "no stranger's conversation is deleted");
    });
  }

  test(`${name}: an abort before the login prevents all requests`, async () => {
    const widget = sdk.make();
    const login = sdk.connect(widget, { getIdpToken: () => "id-ada", signal: AbortSignal.abort() });
    await assert.rejects(login, (error) => isOurs(error, "logged_out"));
    assert.deepEqual([api.log, widget.calls], [[], []]);
  });

  test(`${name}: a logout ends the session, and a second one does nothing`, async () => {
    const widget = sdk.make();
    const session = await clock.until(sdk.connect(widget, { getIdpToken: () => "id-ada" }));
    await session.logout();
    const calls = widget.calls.length;
    await session.logout();
    assert.equal(widget.calls.length, calls);
    assert.equal(widget.who, "stranger");
  });

  test(`${name}: a failed logout is a ChatIdentityError, and can be retried`, async () => {
    const widget = sdk.make();
    const zE = (area, call, ...callbacks) => (call === "logoutUser" ? fails() : widget.zE(area, call, ...callbacks));
    const Smooch = widget.Smooch && { ...widget.Smooch, logout: () => fails() };
    let fails = () => {
      throw new Error("no network");
    };
    const connect = name === "zE" ? connectZendesk : connectSmooch;
    const session = await clock.until(connect({ endpoint, getIdpToken: () => "id-ada", zE, Smooch }));
    await assert.rejects(session.logout(), (error) => isOurs(error, "logout_failed"));
    let wasCalled = false;
    fails = () => (wasCalled = true);
    await session.logout();
    assert.ok(wasCalled);
  });

  test(`${name}: after a failed logout, the next login begins with another logout`, async () => {
    const widget = sdk.make();
    const connect = name === "zE" ? connectZendesk : connectSmooch;
    let failures = 1;
    const zE = (area, call, ...callbacks) => {
      if (call === "logoutUser" && failures-- > 0) throw new Error("no network");
      widget.zE(area, call, ...callbacks);
    };
    const Smooch = widget.Smooch && { ...widget.Smooch, logout: async () => (failures-- > 0 ? Promise.reject(new Error("no network")) : widget.Smooch.logout()) };
    const session = await clock.until(connect({ endpoint, getIdpToken: () => "id-ada", zE, Smooch }));
    await assert.rejects(session.logout(), (error) => isOurs(error, "logout_failed"));
    assert.equal(widget.who, "ada");
    api.script["/zendesk/token"] = () => gate().promise;
    connect({ endpoint, getIdpToken: () => "id-eve", zE, Smooch });
    await settle();
    assert.equal(widget.who, "stranger");
  });

  test(`${name}: a renewal in a finished session does not return the next user's token`, async () => {
    const widget = sdk.make();
    let user = "ada";
    const errors = [];
    await clock.until(sdk.connect(widget, { getIdpToken: () => `id-${user}`, onError: (error) => errors.push(isOurs(error) && error.code) }));
    user = "eve";
    await clock.pass(15 * MINUTE);
    let handed = null;
    widget.want().then((token) => (handed = token), () => {});
    await clock.pass(MINUTE);
    assert.equal(handed, null);
    assert.deepEqual(errors, ["user_changed"]);
  });

  test(`${name}: two widgets on one page have separate sessions`, async () => {
    const [one, two] = [sdk.make(), sdk.make()];
    await clock.until(sdk.connect(one, { getIdpToken: () => "id-ada" }));
    await clock.until(sdk.connect(two, { getIdpToken: () => "id-eve" }));
    assert.deepEqual([one.who, two.who], ["ada", "eve"]);
  });

  test(`${name}: two simultaneous logins, as in React's StrictMode, hand over one token`, async () => {
    const widget = sdk.make();
    const first = new AbortController();
    api.script["/zendesk/token"] = inTurn(new Promise((resolve) => setTimeout(resolve, 200)));
    const one = sdk.connect(widget, { getIdpToken: () => "id-ada", signal: first.signal });
    first.abort();
    const two = sdk.connect(widget, { getIdpToken: () => "id-ada" });
    await assert.rejects(one, (error) => isOurs(error, "logged_out"));
    const session = await clock.until(two);
    await clock.pass(MINUTE);
    assert.equal(widget.who, "ada");
    assert.equal(widget.handed.length, 1);
    await session.logout();
    assert.equal(widget.who, "stranger");
  });
}

test("a login waits for the legacy SDK's logout, and hands over no token if it ends meanwhile", async () => {
  const widget = fakeSmooch();
  const Smooch = {
    ...widget.Smooch,
    logout: async () => {
      await new Promise((resolve) => setTimeout(resolve, 3000));
      return widget.Smooch.logout();
    },
  };
  const connect = (user, signal) => connectSmooch({ endpoint, getIdpToken: () => `id-${user}`, Smooch, signal });
  await clock.until(connect("ada"));
  const controller = new AbortController();
  const eve = connect("eve", controller.signal);
  await clock.pass(1000);
  controller.abort();
  await assert.rejects(eve, (error) => isOurs(error, "logged_out"));
  await clock.until(connect("bo"));
  await clock.pass(MINUTE);
  assert.deepEqual(widget.handed, ["ada", "bo"]);
  assert.equal(widget.who, "bo");
});

test("the window's widget is the same widget after its own function replaces the loader's", async () => {
  const loader = fakeWidget({ isLoading: true });
  globalThis.zE = loader.zE;
  try {
    const ada = connectZendesk({ endpoint, getIdpToken: () => "id-ada", zE: globalThis.zE });
    const loaded = fakeWidget();
    globalThis.zE = loaded.zE;
    const eve = connectZendesk({ endpoint, getIdpToken: () => "id-eve", zE: globalThis.zE });
    await assert.rejects(ada, (error) => isOurs(error, "logged_out"));
    await clock.until(eve);
    loader.load();
    await clock.pass(MINUTE);
    assert.deepEqual(loader.handed, []);
    assert.equal(loaded.who, "eve");
  } finally {
    delete globalThis.zE;
  }
});

test("the report is made as the user of the chat, even if another user is logged in at the site", async () => {
  let user = "ada";
  const widget = fakeWidget({ refuses: (claims) => claims.email && "…", confirm: (claims) => void (claims.email || (user = "eve")) });
  await clock.until(connectZendesk({ endpoint, getIdpToken: () => `id-${user}`, zE: widget.zE }));
  assert.deepEqual(api.asked(), ["token ada", "token ada", "token ada without email", "report ada"]);
});
