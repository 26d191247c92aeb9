// The page in a real browser, as a person uses it. `PAGE` is the local stack's address, `BROWSER` the
// browser's program, `SCREENSHOTS` the folder for screenshots of the page and of failures.

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { QUIET } from "./launch.mjs";

const { BROWSER, PAGE, SCREENSHOTS } = process.env;
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser;

before(async () => {
  const launch = () => chromium.launch({ executablePath: BROWSER, args: QUIET });
  // On a busy machine a browser may exit before it is ready.
  browser = await launch().catch(launch);
});
after(() => browser?.close());

/** One story in its own browser context. It fails on any error in the console. */
function story(title, play, options = {}) {
  test(title, async () => {
    const context = await browser.newContext({ viewport: { width: 1200, height: 1000 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const errors = [];
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(String(error)));
    try {
      await page.goto(PAGE);
      // The folded group has the calls of earlier stories.
      await page.locator("#diagram .group").first().waitFor();
      await page.getByRole("button", { name: "Clear" }).click();
      await play(new Person(page), page);
      assert.deepEqual(errors, [], "errors in the console");
      const kept = await page.evaluate(() => [localStorage.length, document.cookie, location.search, location.hash]);
      assert.deepEqual(kept, [0, "", "", ""], "the page stores nothing");
      for (const [key, value] of await page.evaluate(() => Object.entries(sessionStorage))) {
        assert.match(key, /^chat-identity\.conflict\./);
        assert.doesNotMatch(value, /eyJ/, "a token");
      }
    } catch (error) {
      await mkdir(SCREENSHOTS, { recursive: true });
      const path = `${SCREENSHOTS}/${title.replace(/\W+/g, "-")}.png`;
      await page.screenshot({ path, fullPage: true });
      error.message += `\n(the page: ${path})`;
      throw error;
    } finally {
      await context.close();
    }
  });
}

/** A person's actions and checks on the page. */
class Person {
  constructor(page) {
    this.page = page;
  }
  press(name) {
    return this.page.getByRole("button", { name, exact: true }).click();
  }
  enter(label, text) {
    return this.page.getByLabel(label, { exact: true }).fill(text);
  }
  sees(place, text) {
    return this.page.locator(place, { hasText: text }).first().waitFor();
  }
  value(label) {
    return this.page.getByLabel(label, { exact: true }).inputValue();
  }
  async login(text = /is logged in to the chat, with the email/) {
    await this.press("Log in");
    await this.sees("#account-state", text);
  }
  async writes(text, device = "This device") {
    const place = this.page.locator(".device", { has: this.page.getByLabel(`${device}: message`) });
    await place.getByLabel(`${device}: message`).fill(text);
    await place.getByRole("button", { name: "Send" }).click();
    await this.reads(device, text);
  }
  reads(device, text) {
    return this.page.getByLabel(`${device}: conversation`).locator("li", { hasText: text }).waitFor();
  }
  messages(device = "This device") {
    return this.page.getByLabel(`${device}: conversation`).locator("li").allTextContents();
  }
  /** Enters another external id for this person, and returns it. */
  async becomes() {
    const externalId = `9${await this.value("external_id")}`;
    await this.enter("external_id", externalId);
    return externalId;
  }
  async drains(remedy, outcome) {
    await this.press(remedy);
    await this.sees("#cleanup-state", outcome);
  }
  /** The titles of the calls so far. */
  calls() {
    return this.page.locator("#diagram .title").allTextContents();
  }
}

story("a login is shown in the chat and in the diagram", async (ada, page) => {
  const externalId = await ada.value("external_id");
  await ada.login();
  await ada.sees("h3", `(${externalId})`);
  for (const call of ["POST /token", "POST /zendesk/token", "POST /sc/_login"]) {
    await ada.sees("#diagram .title", call);
  }
  const signed = page.locator("#diagram .calls li", { hasText: "POST /zendesk/token" }).first();
  await signed.locator("summary").click();
  assert.match(await signed.locator("pre").textContent(), new RegExp(`"external_id": "${externalId}"`));
});

story("an expired token is renewed", async (ada) => {
  await ada.login();
  const signed = async () => (await ada.calls()).filter((title) => title === "POST /zendesk/token").length;
  await ada.sees("#diagram .title", "POST /sc/_login");
  assert.equal(await signed(), 1);
  await ada.press("Let the token expire");
  await ada.sees(".device .state", "requested another one, and got it");
  await ada.writes("still here");
  await ada.sees("#diagram .title", "POST /sc/_messages");
  assert.equal(await signed(), 2);
});

story("a second device shows the same conversation", async (ada) => {
  await ada.login();
  await ada.writes("from the laptop");
  await ada.press("Open a second device");
  await ada.reads("Second device", "from the laptop");
  await ada.writes("from the phone", "Second device");
  await ada.reads("This device", "from the phone");
});

story("a stranger who logs in later keeps the conversation", async (ada) => {
  await ada.writes("who am I?");
  await ada.sees("h3", "a stranger");
  await ada.login();
  await ada.sees("h3", await ada.value("external_id"));
  assert.deepEqual(await ada.messages(), ["who am I?"]);
  await ada.page.getByRole("button", { name: "Answer as the shop" }).click();
  await ada.reads("This device", "Good to hear from you!");
});

story("another user does not see the conversation", async (ada) => {
  await ada.login();
  await ada.writes("Ada's secret");
  const before = await ada.value("external_id");
  await ada.press("Somebody else");
  const now = await ada.value("external_id");
  assert.notEqual(now, before);
  await ada.sees("h3", `(${now})`);
  assert.deepEqual(await ada.messages(), []);
});

story("after a logout a new visitor does not see the conversation", async (ada) => {
  await ada.login();
  await ada.writes("mine");
  await ada.press("Log out");
  await ada.sees("h3", "a stranger");
  await ada.writes("somebody new");
  assert.deepEqual(await ada.messages(), ["somebody new"]);
});

story("after a 409: a login without the email, the cleanup, and a login with the email again", async (ada, page) => {
  await ada.login();
  const externalId = await ada.becomes();
  await ada.login(/refused the email \(409\).*is logged in anyway.*reported: \w+…, pending/);
  await ada.sees("h3", `(${externalId})`);
  const refused = page.locator("#diagram li.bad", { hasText: "another user has the email" });
  await refused.nth(1).waitFor();
  assert.equal(await refused.count(), 2, "the first refusal and the one after the retry");
  const email = await ada.value("Email");
  const row = page.locator("#conflicts tr", { hasText: email });
  await row.filter({ hasText: "pending" }).waitFor();
  await ada.drains("Plan", /planned: [1-9]/);
  await row.filter({ hasText: "planned" }).waitFor();
  await ada.drains("Release the email", /resolved: [1-9]/);
  await row.filter({ hasText: "resolved" }).waitFor();
  await ada.sees("#diagram .title", "/personalinformation");
  await ada.login();
});

story("a merge keeps the history", async (ada) => {
  await ada.login();
  await ada.writes("my order is late");
  await ada.becomes();
  await ada.login(/refused the email/);
  assert.deepEqual(await ada.messages(), []);
  await ada.drains("Merge", /resolved: [1-9]/);
  await ada.sees("#diagram .meaning", "the two users are merged");
  await ada.reads("This device", "my order is late");
  await ada.login();
  await ada.reads("This device", "my order is late");
});

story("a person approves a release that a run may not decide", async (ada, page) => {
  await ada.login();
  await ada.writes("soon gone");
  await page.getByText("More", { exact: true }).click();
  await page.getByLabel(/Zendesk reports a changed external_id/).uncheck();
  // Two new ids for one email, and no proof that they are the same person.
  for (let ids = 0; ids < 2; ids += 1) {
    const externalId = await ada.becomes();
    await ada.login(new RegExp(`refused the email.* ${externalId} is logged in anyway`));
  }
  await ada.drains("Merge", /to review: [1-9]/);
  const email = await ada.value("Email");
  await page.locator("#conflicts tr", { hasText: email }).filter({ hasText: "several_callers" }).waitFor();
  await ada.press(`Approve a release for ${email}`);
  await page.locator("#conflicts tr", { hasText: email }).filter({ hasText: "resolved" }).waitFor();
  await ada.login();
  assert.deepEqual(await ada.messages(), []);
});

story("the details of a conflict are shown, and a release is undone", async (ada, page) => {
  await ada.login();
  await page.getByText("More", { exact: true }).click();
  await page.getByLabel(/Zendesk reports a changed external_id/).uncheck();
  const externalId = await ada.becomes();
  await ada.login(/refused the email/);
  const email = await ada.value("Email");
  const row = page.locator("#conflicts tr", { hasText: email });
  await ada.drains("Release the email", /resolved: [1-9]/);
  await row.filter({ hasText: "resolved" }).waitFor();
  await ada.login();

  // By keyboard: the dialog takes the focus, and returns it.
  await page.getByRole("button", { name: `Show the conflict over ${email}` }).focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: `The conflict over ${email}` });
  await dialog.waitFor();
  const facts = await dialog.locator("dl").innerText();
  for (const fact of [externalId, "release-email", "resolved", "conflicts/", "with merge allowed"]) assert.ok(facts.includes(fact), `${fact} in ${facts}`);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("aria-label")), `Show the conflict over ${email}`);

  // A logged-in user would take the email again at once.
  await ada.press("Log out");
  await ada.press(`Undo the release of ${email}`);
  await ada.sees("#cleanup-state", /not a conflict: 1/);
  await row.filter({ hasText: "not_a_conflict" }).waitFor();
  assert.equal(await row.getByRole("button", { name: "Undo" }).count(), 0);
  const users = await page.evaluate(async () => (await fetch("/local/zendesk/sc/_control/users")).json());
  assert.deepEqual(users.find((user) => user.externalId === externalId).identities, [], "the new user has no email any more");
});

story("a migration of 50 users shows its progress", async (ada, page) => {
  const bar = page.getByRole("progressbar", { name: "Users that are done" });
  assert.equal(await bar.isVisible(), false);
  await page.getByRole("button", { name: "Move 50 users" }).focus();
  await page.keyboard.press("Enter");
  await page.locator("#migration-state", { hasText: "50 pairs are imported" }).waitFor({ timeout: 90_000 });
  // The bar moves during a run.
  const between = await page.waitForFunction(() => {
    const { value } = document.querySelector("#migration-bar");
    return value > 0 && value < 50 && value;
  }, undefined, { timeout: 90_000 });
  assert.ok(await between.jsonValue());
  await page.locator("#migration-state", { hasText: "Done:" }).waitFor({ timeout: 180_000 });
  assert.equal(await bar.evaluate((it) => it.value), 50);
  const counts = await page.locator("#migration-counts li").allInnerTexts();
  assert.deepEqual(counts.sort(), ["2 for a person", "2 not a conflict", "46 resolved"]);
  const left = await page.locator("#migration-left tr").allInnerTexts();
  assert.equal(left.filter((row) => row.includes("several_users")).length, 2, left.join());
  assert.equal(left.length, 4);
  assert.equal(await page.evaluate(() => document.activeElement?.id), "migrate", "the button keeps the focus");
  const users = await page.evaluate(async () => (await fetch("/local/zendesk/sc/_control/users")).json());
  const [, number] = left[0].match(/old-(\d+)-/);
  const moved = users.filter(({ externalId }) => externalId?.startsWith(`new-${number}-`));
  assert.equal(moved.length, 46, "each user has the new id");
});

for (const [holder, radio] of [["the page", /^this page/], ["the function", /^the function/]]) {
  story(`a Puzzel chat with the verifier held by ${holder}`, async (ada, page) => {
    await ada.login();
    const externalId = await ada.value("external_id");
    await page.getByRole("radio", { name: radio }).check();
    await ada.press("Start a chat");
    await ada.sees("#puzzel-state", `a chat with ${externalId}, in the queue “customer care”`);
    await ada.press("Start as a stranger");
    await ada.sees("#puzzel-state", "with a stranger");
    await ada.press("Identify me");
    await ada.sees("#puzzel-state", `a chat with ${externalId}`);
    await ada.sees("#diagram .title", "/api/visitor/setIdentity/");
    const route = holder === "the page" ? "page → puzzel" : "functions → puzzel";
    await page.locator("#diagram .calls li", { hasText: route }).filter({ hasText: "userInfoId=(hidden)&codeVerifier=(hidden)" }).waitFor({ state: "attached" });
  });
}

story("a Puzzel chat needs a login, and the page says so", async (ada) => {
  await ada.press("Start a chat");
  await ada.sees("#puzzel-state", /log the user in first/);
});

story("the page can be used by keyboard", async (ada, page) => {
  const { keyboard } = page;
  const tabTo = async (name) => {
    for (let tabs = 0; tabs < 100; tabs += 1) {
      await keyboard.press("Tab");
      const focused = await page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent);
      if (focused?.startsWith(name)) return;
    }
    assert.fail(`no tab leads to ${name}`);
  };
  await tabTo("Log in");
  await keyboard.press("Enter");
  await ada.sees("#account-state", /with the email/);
  await tabTo("This device: message");
  await keyboard.type("no mouse here");
  await keyboard.press("Enter");
  await ada.reads("This device", "no mouse here");
  await ada.sees("#diagram .title", "POST /sc/_messages");
  // The diagram is one stop; the arrow keys move between its rows.
  await tabTo("Write “no mouse here”");
  await keyboard.press("ArrowDown");
  await keyboard.press("Enter");
  await page.locator("#diagram pre:visible", { hasText: "response:" }).waitFor();
  await keyboard.press("Tab");
  await keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.closest("#diagram")), null, "only one stop, and the text of the open row");
});

story("the keyboard's focus stays on the pressed button", async (ada, page) => {
  const focused = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent || document.activeElement?.getAttribute("aria-label"));
  const keeps = async (name, then) => {
    await page.getByRole("button", { name, exact: true }).focus();
    const before = await focused();
    await page.keyboard.press("Enter");
    await then();
    assert.equal(await focused(), before, name);
  };
  await keeps("Log in", () => ada.sees("#account-state", /with the email/));
  await keeps("Plan", () => ada.sees("#cleanup-state", /examined/));
  await keeps("Log out", () => ada.sees("#account-state", "No one is logged in"));
  await page.getByRole("button", { name: "Open a second device" }).focus();
  await page.keyboard.press("Enter");
  await ada.sees("h3", "Second device");
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("aria-label")), "Second device: message");
});

story("an action that is not possible yet shows the reason", async (ada) => {
  await ada.press("Answer as the shop");
  await ada.sees(".device .state", "Write something first");
  await ada.press("Let the token expire");
  await ada.sees(".device .state", "Log in first");
});

story("the two minutes play to the end", async (ada, page) => {
  await ada.press("Play the two minutes");
  for (const step of ["Log in", "Write", "Get a new id", "Log in again", "A minute later", "Log in once more"]) {
    await page.locator("#steps [aria-current]", { hasText: step }).waitFor();
  }
  await ada.sees("#story-state", "no history was lost");
  await ada.sees("#account-state", /with the email/);
  assert.deepEqual(await ada.messages(), ["Where is my parcel?", "It comes on Friday!"]);
  const groups = await page.locator("#diagram .group > details > summary > b").allTextContents();
  assert.deepEqual(groups.slice(0, 2), ["Log in", "A minute later: the cleanup"], "the newest on top");
  assert.equal(await page.locator("#diagram .group", { hasText: "A minute later" }).locator(".bad").count(), 0);
});

story("only failed requests are red", async (ada, page) => {
  await ada.login();
  await page.reload();
  await page.locator("#diagram .sum", { hasText: "request" }).first().waitFor({ state: "attached" });
  const probes = page.locator("#diagram .calls li", { has: page.locator(".outcome b", { hasText: /^405$/ }) });
  assert.equal(await probes.count(), 0);
  await ada.press("Clear");
  await ada.login();
  await ada.writes("hello");
  await ada.sees("#diagram .title", "POST /sc/_messages");
  assert.equal(await page.locator("#diagram .bad").count(), 0);
  await ada.becomes();
  await ada.login(/refused the email/);
  const red = await page.locator("#diagram .bad .meaning").allTextContents();
  assert.deepEqual([...new Set(red)], ["another user has the email"]);
});

test("only a site on this machine may use the stack, on any port", async () => {
  const site = createServer((_, response) => response.setHeader("content-type", "text/html").end("<!doctype html><title>x</title>")).listen(0);
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const asks = async (origin) => {
      await page.goto(origin);
      return page.evaluate(async (api) => {
        const headers = { authorization: "Bearer none", "content-type": "application/json" };
        const response = await fetch(`${api}/zendesk/token`, { method: "POST", headers, body: "{}" }).catch(() => null);
        return response && [response.status, (await response.json()).code];
      }, PAGE);
    };
    const { port } = site.address();
    assert.deepEqual(await asks(`http://localhost:${port}`), [401, "unauthenticated"]);
    await context.route("http://shop.example/", (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html>" }));
    assert.equal(await asks("http://shop.example/"), null);
  } finally {
    await context.close();
    site.close();
  }
});

story("user input is shown as text, under a strict policy", async (ada, page) => {
  const policy = (await page.request.get(PAGE)).headers()["content-security-policy"];
  assert.match(policy, /script-src 'self';/);
  assert.doesNotMatch(policy, /unsafe/);
  const hostile = "<img src=x onerror=document.title=1><b>x</b>";
  await ada.enter("Name", hostile);
  await ada.login();
  await ada.writes(hostile);
  await ada.sees("h3", "<img");
  await ada.sees("#diagram .title", "POST /sc/_messages");
  assert.equal(await page.locator("main img, .messages b").count(), 0);
  assert.equal(await page.title(), "chat-identity");
  const shown = await page.locator("body").textContent();
  assert.doesNotMatch(shown, /eyJ[\w-]+\.eyJ/, "no complete token is shown");
});

/** Responds as after a migration. A real one takes long, and another story runs it. */
function pretendToMigrate(route) {
  const { event } = route.request().postDataJSON();
  const pair = { previousExternalId: "old-12345-49", currentExternalId: "new-12345-49", conflictId: "0".repeat(32) };
  const states = { resolved: { none: 46 }, needs_review: { several_users: 2 }, not_a_conflict: { none: 2 } };
  const json = {
    import: { batch: event.batch, taken: 50, known: 0 },
    progress: { batch: event.batch, states, pairs: [{ ...pair, state: "needs_review", reason: "several_users" }] },
    drain: { stoppedBecause: null },
  }[event.action];
  return json ? route.fulfill({ json }) : route.continue();
}

for (const [name, options] of Object.entries({
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  phone: { viewport: { width: 375, height: 800 } },
})) {
  story(`the page is accessible: ${name}`, async (ada, page) => {
    await page.emulateMedia({ reducedMotion: "reduce" });
    await ada.login();
    await ada.writes("hello");
    await ada.becomes();
    await ada.login(/refused the email/);
    await ada.drains("Plan", /planned: [1-9]/);
    await page.locator("#diagram .row.call").first().click();
    await page.route("**/local/clean", pretendToMigrate);
    await ada.press("Move 50 users");
    await ada.sees("#migration-state", "Done:");
    const [{ scrollWidth, scrollHeight }, end] = await page.evaluate(() => {
      const { scrollWidth, scrollHeight } = document.documentElement;
      return [{ scrollWidth, scrollHeight }, document.body.getBoundingClientRect().bottom + scrollY];
    });
    const { innerWidth, innerHeight } = await page.evaluate(() => ({ innerWidth, innerHeight }));
    assert.ok(scrollWidth <= innerWidth, `${scrollWidth} in ${innerWidth}`);
    assert.ok(scrollHeight <= Math.max(end, innerHeight) + 1, `nothing overflows below: ${scrollHeight}, ${end}`);
    await page.evaluate(axe);
    const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
    const described = (found) => found.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]);
    assert.deepEqual(described(violations), []);
    await page.screenshot({ path: `${SCREENSHOTS}/page-${name}.png`, fullPage: true });
    assert.ok(passes.length > 20, "axe ran its checks");
    await page.getByRole("button", { name: /^Show the conflict over/ }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    await page.screenshot({ path: `${SCREENSHOTS}/dialog-${name}.png` });
    const wide = await dialog.evaluate((it) => it.scrollWidth - it.clientWidth);
    assert.ok(wide <= 0, `the dialog is ${wide} px too narrow`);
    assert.deepEqual(described((await page.evaluate(() => globalThis.axe.run("dialog"))).violations), []);
  }, options);
}
