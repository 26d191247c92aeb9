// The module and its hook in a real browser, in a React site in StrictMode: `BROWSER` is the browser's
// program. This file scripts the API; the widget is `app/widget.js`.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, beforeEach, test } from "node:test";
import { chromium } from "playwright-core";
import { QUIET } from "./launch.mjs";
import { app, install, passes } from "./site.mjs";

let browser, server, origin;
/** The requests, as `token ada` or `report ada`; and the script of the responses. */
let asked, script;

before(async () => {
  // The development build has React's own checks; a production build does not.
  await install();
  await passes("node_modules/.bin/vite", ["build", "--mode", "development", "--outDir", "development", "--logLevel", "error"], app);
  browser = await chromium.launch({ executablePath: process.env.BROWSER, args: QUIET });
  server = createServer(respond).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
});
after(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
});
beforeEach(() => ([asked, script] = [[], {}]));

async function respond(request, response) {
  const { pathname } = new URL(request.url, origin);
  if (!pathname.startsWith("/zendesk/")) {
    const path = pathname === "/widget.js" ? `${app}/widget.js` : `${app}/development${pathname === "/" ? "/index.html" : pathname}`;
    const type = path.endsWith(".html") ? "text/html" : "text/javascript";
    return readFile(path).then((file) => response.setHeader("content-type", type).end(file), () => response.writeHead(404).end());
  }
  let body = "";
  for await (const chunk of request) body += chunk;
  const user = (request.headers.authorization ?? "").replace("Bearer id-", "");
  const what = pathname.endsWith("token") ? "token" : "report";
  const email = JSON.parse(body).includeEmail !== false;
  asked.push(`${what} ${user}${email ? "" : " without email"}`);
  const status = (await script[what]?.(user)) ?? 200;
  const iat = Math.floor(Date.now() / 1000);
  const claims = Buffer.from(JSON.stringify({ external_id: user, email, iat, exp: iat + 900, number: asked.length })).toString("base64url");
  const json = what === "token" ? { token: `x.${claims}.x`, externalId: user, expiresAt: iat + 900, emailIncluded: email } : { conflictId: "c0ffee", state: "pending" };
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(status === 200 ? json : { message: "…" }));
}

/** Opens a tab with the shop. An error in its console fails the test. */
async function tab(context, { isLoaded = true, clock = false } = {}) {
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.wrong = [];
  page.on("pageerror", (error) => page.wrong.push(String(error)));
  page.on("console", (message) => message.type() === "error" && !message.text().includes("Failed to load resource") && page.wrong.push(message.text()));
  if (clock) await page.clock.install();
  await page.addInitScript({ path: `${app}/widget.js` });
  await page.addInitScript((isLoaded) => isLoaded && globalThis.widget.load(), isLoaded);
  await page.goto(origin);
  await page.waitForFunction(() => globalThis.shop);
  Object.assign(page, {
    shop: (call, ...values) => page.evaluate(([call, values]) => globalThis.shop[call](...values), [call, values]),
    widget: () => page.evaluate(() => ({ who: widget.who, handed: widget.handed, calls: widget.calls })),
    shows: (text) => page.locator("output", { hasText: text }).waitFor(),
    is: (who) => page.waitForFunction((who) => globalThis.widget.who === who, who),
    wants: () => page.evaluate(() => void widget.want().then(() => (widget.renewed += 1))),
    renewed: (count) => page.waitForFunction((count) => globalThis.widget.renewed === count, count),
  });
  return page;
}

function story(title, play, options) {
  test(title, async () => {
    const context = await browser.newContext();
    try {
      const page = await tab(context, options);
      await play(page, context);
      assert.deepEqual(page.wrong, []);
    } finally {
      await context.close();
    }
  });
}

const settled = (page) => page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 200)));

story("React in StrictMode hands over one token for one login, and logs out again", async (page) => {
  await page.shop("setUser", "ada");
  await page.shows("ada");
  await page.is("ada");
  assert.deepEqual((await page.widget()).handed, ["ada"]);
  for (let renderings = 0; renderings < 20; renderings += 1) await page.shop("render");
  await settled(page);
  assert.deepEqual((await page.widget()).handed, ["ada"], "a rendering does not log in again");
  await page.shop("setUser", null);
  await page.is("stranger");
  await page.shows("no one");
});

story("React in StrictMode hands over one token if the first is slower than the second", async (page) => {
  let count = 0;
  script.token = () => new Promise((resolve) => setTimeout(resolve, ++count === 1 ? 400 : 10));
  await page.shop("setUser", "ada");
  await page.shows("ada");
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 600)));
  assert.deepEqual([(await page.widget()).who, (await page.widget()).handed], ["ada", ["ada"]]);
});

story("another user logs in without a logout in between", async (page) => {
  await page.shop("setUser", "ada");
  await page.shows("ada");
  await page.shop("setUser", "eve");
  await page.shows("eve");
  await page.is("eve");
});

story("a component that unmounts ends a login under way", async (page) => {
  let open;
  script.token = () => new Promise((resolve) => (open = resolve));
  await page.shop("setUser", "ada");
  while (!open) await settled(page);
  await page.shop("setShown", false);
  open();
  await settled(page);
  const { who, handed } = await page.widget();
  assert.deepEqual([who, handed], ["stranger", []]);
});

story("a component that unmounts leaves a finished session, and the next component takes it over", async (page) => {
  await page.shop("setUser", "ada");
  await page.shows("ada");
  await page.shop("setShown", false);
  await settled(page);
  assert.equal((await page.widget()).who, "ada");
  await page.shop("setShown", true);
  await page.shows("ada");
  await settled(page);
  assert.deepEqual((await page.widget()).handed, ["ada"]);
  await page.shop("setShown", false);
  await page.shop("setUser", "eve");
  await page.shop("setShown", true);
  await page.shows("eve");
  await page.shop("setShown", false);
  await page.shop("setUser", null);
  await page.shop("setShown", true);
  await page.is("stranger");
});

story("the site's own signal ends the session and every later session", async (page) => {
  await page.shop("setUser", "ada");
  await page.shows("ada");
  await page.evaluate(() => shop.controller.abort());
  await page.is("stranger");
  await page.shows("no one");
  await page.shop("setUser", null);
  await page.shop("setUser", "eve");
  await settled(page);
  await page.shows("no one");
  assert.deepEqual((await page.widget()).handed, ["ada"]);
});

story("onError gets a failed logout once", async (page) => {
  await page.shop("setUser", "ada");
  await page.shows("ada");
  await page.evaluate(() => (widget.failsToLogOut = true));
  await page.shop("setUser", null);
  await settled(page);
  assert.deepEqual(await page.evaluate(() => shop.errors), ["logout_failed"]);
});

story("the end of the previous login is not shown as an error", async (page) => {
  let open;
  const held = new Promise((resolve) => (open = resolve));
  script.token = () => held;
  await page.shop("setUser", "ada");
  await settled(page);
  await page.shop("setUser", "eve");
  await settled(page);
  await page.shows("no one");
  open();
  await page.shows("eve");
});

story("a failed login is shown", async (page) => {
  script.token = () => 403;
  await page.shop("setUser", "ada");
  await page.shows("forbidden");
});

story("two tabs have separate sessions, and each reports the conflict once", async (page, context) => {
  const other = await tab(context);
  for (const one of [page, other]) {
    await one.evaluate(() => (widget.refuses = (claims) => claims.email));
    await one.shop("setUser", "ada");
    await one.shows("ada");
  }
  assert.equal(asked.filter((what) => what === "report ada").length, 2);
  asked.length = 0;
  await page.reload();
  await page.waitForFunction(() => globalThis.shop);
  await page.shop("setUser", "ada");
  await page.shows("ada");
  assert.deepEqual([...new Set(asked)], ["token ada", "token ada without email"]);
  await page.shop("setUser", null);
  await page.is("stranger");
  assert.equal((await other.widget()).who, "ada");
  assert.deepEqual(await Promise.all([page, other].map((one) => one.evaluate(() => sessionStorage.length))), [0, 1], "a logout removes the stored conflict");
  assert.deepEqual(other.wrong, []);
});

story("after sleep over an expiry, the token is renewed once the network is back", async (page, context) => {
  await page.shop("setUser", "ada");
  await page.shows("ada");
  await context.setOffline(true);
  await page.clock.fastForward("02:00:00");
  await page.wants();
  await page.clock.runFor(2000);
  assert.deepEqual(await page.evaluate(() => [widget.renewed, shop.errors]), [0, ["unreachable"]]);
  await page.shows("unreachable");
  await context.setOffline(false);
  await page.renewed(1);
  await page.shows("ada");
}, { clock: true });

story("after sleep with the network on, an old token is not reused", async (page) => {
  await page.shop("setUser", "ada");
  await page.shows("ada");
  await page.clock.fastForward("00:05:00");
  await page.wants();
  await page.renewed(1);
  const before = asked.length;
  await page.clock.fastForward("10:00:00");
  await page.wants();
  await page.renewed(2);
  assert.equal(asked.length, before + 1);
}, { clock: true });

story("a login that begins offline succeeds once the network is back", async (page, context) => {
  await context.setOffline(true);
  await page.shop("setUser", "ada");
  await settled(page);
  await context.setOffline(false);
  await page.shows("ada");
});

story("if the widget loads after a minute, because the visitor consents late, the user is logged in then", async (page) => {
  await page.shop("setUser", "ada");
  await page.clock.runFor(60_000);
  await page.shows("login_unanswered");
  assert.deepEqual(asked, []);
  await page.evaluate(() => widget.load());
  await page.is("ada");
  await page.shows("ada");
  await page.shop("setUser", null);
  await page.is("stranger");
}, { isLoaded: false, clock: true });

story("if the widget's snippet loads after a minute, the login begins then", async (page) => {
  await page.evaluate(() => ([globalThis.zE, globalThis.late] = [undefined, globalThis.zE]));
  await page.shop("setUser", "ada");
  await page.clock.runFor(60_000);
  assert.deepEqual(asked, []);
  await page.evaluate(() => (globalThis.zE = globalThis.late));
  await page.shop("render");
  await page.shows("ada");
}, { clock: true });

story("an error disappears once it is over, and the site's own handlers are called", async (page) => {
  await page.shop("setUser", "ada");
  await page.shows("ada");
  script.token = () => 401;
  await page.clock.fastForward("00:20:00");
  await page.wants();
  await page.shows("unauthenticated");
  script = {};
  await page.wants();
  await page.renewed(1);
  await page.shows("ada");
  assert.deepEqual(await page.evaluate(() => [shop.errors, shop.sessions]), [["unauthenticated"], ["ada"]]);
}, { clock: true });

story("if the same getIdpToken returns another user's token, the login begins again", async (page) => {
  await page.shop("setUser", "ada");
  await page.shows("ada");
  await page.evaluate(() => (shop.becomes = "eve"));
  await page.clock.fastForward("00:20:00");
  await page.wants();
  await page.is("eve");
  await page.shows("eve");
  assert.deepEqual((await page.widget()).handed, ["ada", "eve"]);
}, { clock: true });

story("a late ID token of the previous user changes nothing", async (page) => {
  await page.evaluate(() => (shop.holdsIdTokenOf = "ada"));
  await page.shop("setUser", "ada");
  await settled(page);
  await page.shop("setUser", "eve");
  await page.shows("eve");
  await page.evaluate(() => (shop.holdsIdTokenOf = null));
  await settled(page);
  await page.shop("render");
  await settled(page);
  assert.deepEqual((await page.widget()).handed, ["eve"]);
});

story("an error thrown by onError is left to the site, and the session continues", async (page) => {
  await page.evaluate(() => {
    const onError = () => { throw new Error("the site's own"); };
    return shop.connectZendesk({ endpoint: location.origin, zE, getIdpToken: () => "id-ada", onError });
  });
  script.token = () => ((script = {}), 503);
  await page.clock.fastForward("00:20:00");
  await page.wants();
  await page.clock.runFor(5000);
  await page.renewed(1);
  assert.equal(page.wrong.splice(0).length, 1);
}, { clock: true });

/** Ada's requests on a path wait until `script.open` is called. */
function holds(path) {
  const open = new Promise((resolve) => (script.open = () => resolve()));
  script[path] = (user) => (user === "ada" ? open : undefined);
}
const REFUSED = "claims.external_id === 'ada' && claims.email";
const isHandedOver = (page) => page.waitForFunction(() => globalThis.widget.handed.length > 0);
const isRequested = async (page) => {
  while (!asked.length) await settled(page);
};
/**
 * The states of Ada's login: `before` runs before the login, `begun` waits for the last event before the
 * state, and `ms` is the time from there to the state.
 */
const STATES = {
  "waits for its ID token": { before: (page) => page.evaluate(() => (shop.holdsIdTokenOf = "ada")), begun: settled },
  "waits for its token": { before: () => holds("token"), begun: isRequested },
  "waits to retry": { before: () => (script.token = (user) => (user === "ada" ? 503 : 200)), begun: isRequested },
  "waits for the widget": { before: (page) => page.evaluate("widget.holds = (claims) => claims.external_id === 'ada'") },
  "was refused once": { before: (page) => page.evaluate(`widget.refuses = (claims, count) => ${REFUSED} && count === 1`) },
  "logs in without the email": { before: (page) => page.evaluate(`widget.refuses = (claims) => ${REFUSED}; widget.holds = (claims) => !claims.email`), ms: 2000 },
  "reports a conflict": { before: (page) => (holds("report"), page.evaluate(`widget.refuses = (claims) => ${REFUSED}`)), ms: 2000 },
  "has no response": { before: (page) => page.evaluate("widget.holds = (claims) => claims.external_id === 'ada'"), ms: 31_000, shows: "login_unanswered" },
  "is finished": { shows: "ada" },
  "is finished, with a token under way": {
    shows: "ada",
    async after(page) {
      holds("token");
      await page.clock.fastForward("00:20:00");
      await page.wants();
    },
  },
};
for (const [state, { before, begun = isHandedOver, ms = 300, shows, after }] of Object.entries(STATES)) {
  for (const how of ["with a logout in between", "without a logout"]) {
    story(`another user logs in while the login ${state}, ${how}`, async (page) => {
      await before?.(page);
      await page.shop("setUser", "ada");
      await begun(page);
      await page.clock.runFor(ms);
      if (shows) await page.shows(shows);
      await after?.(page);
      if (how.startsWith("with a")) await page.shop("setUser", null);
      await page.shop("setUser", "eve");
      await page.shows("eve");
      script.open?.();
      await page.evaluate(() => ((shop.holdsIdTokenOf = null), widget.letGo()));
      await page.is("eve");
      await page.clock.runFor(5000);
      assert.equal((await page.widget()).who, "eve");
      await page.shows("eve");
    }, { clock: true });
  }
}
