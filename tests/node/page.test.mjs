// The page in a real browser, as a person uses it. `PAGE` is where the local stack is, `BROWSER`
// the browser's program, `SCREENSHOTS` the folder that a failure leaves a picture in.

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const { BROWSER, PAGE, SCREENSHOTS } = process.env;
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
let browser;

before(async () => {
  const launch = () => chromium.launch({ executablePath: BROWSER, args: QUIET });
  // On a busy machine a browser may end before it has begun.
  browser = await launch().catch(launch);
});
after(() => browser?.close());

/** One story in a browser of its own, at the end of which nothing may have gone wrong unseen. */
function story(title, play, options = {}) {
  test(title, async () => {
    const context = await browser.newContext({ viewport: { width: 1200, height: 1000 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const errors = [];
    page.on("console", (said) => ["error", "warning"].includes(said.type()) && errors.push(said.text()));
    page.on("pageerror", (error) => errors.push(String(error)));
    try {
      // The page asks for the calls a second time once it has drawn those that other stories left.
      let asked = 0;
      const isDrawn = page.waitForRequest((request) => request.url().includes("/local/calls") && ++asked === 2);
      await page.goto(PAGE);
      await isDrawn;
      await page.getByRole("button", { name: "Clear" }).click();
      await play(new Person(page), page);
      assert.deepEqual(errors, [], "errors in the console");
      const kept = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie, location.search, location.hash]);
      assert.deepEqual(kept, [0, 0, "", "", ""], "what the page keeps");
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

/** What a person does and sees. */
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
  /** Gives this person another external id, and tells which. */
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

story("logging in", async (ada, page) => {
  const externalId = await ada.value("external_id");
  await ada.login();
  await ada.sees("h3", `(${externalId})`);
  for (const call of ["POST /token", "POST /zendesk/token", "POST /sc/_login"]) {
    await ada.sees("#diagram .title", call);
  }
  const signed = page.locator("#diagram li", { hasText: "POST /zendesk/token" }).first();
  await signed.locator("summary").click();
  assert.match(await signed.locator("pre").textContent(), new RegExp(`"external_id": "${externalId}"`));
});

story("a fresh token at expiry", async (ada) => {
  await ada.login();
  const signed = async () => (await ada.calls()).filter((title) => title === "POST /zendesk/token").length;
  await ada.sees("#diagram .title", "POST /sc/_login");
  assert.equal(await signed(), 1);
  await ada.press("Let the token expire");
  await ada.writes("still here");
  await ada.sees("#diagram .title", "POST /sc/_messages");
  assert.equal(await signed(), 2);
});

story("a second device with the same conversation", async (ada) => {
  await ada.login();
  await ada.writes("from the laptop");
  await ada.press("Open a second device");
  await ada.reads("Second device", "from the laptop");
  await ada.writes("from the phone", "Second device");
  await ada.reads("This device", "from the phone");
});

story("a stranger first, then known", async (ada) => {
  await ada.writes("who am I?");
  await ada.sees("h3", "a stranger");
  await ada.login();
  await ada.sees("h3", await ada.value("external_id"));
  assert.deepEqual(await ada.messages(), ["who am I?"]);
  await ada.page.getByRole("button", { name: "Answer as the shop" }).click();
  await ada.reads("This device", "Good to hear from you!");
});

story("switching users", async (ada) => {
  await ada.login();
  await ada.writes("Ada's secret");
  const before = await ada.value("external_id");
  await ada.press("Somebody else");
  const now = await ada.value("external_id");
  assert.notEqual(now, before);
  await ada.sees("h3", `(${now})`);
  assert.deepEqual(await ada.messages(), []);
});

story("logging out", async (ada) => {
  await ada.login();
  await ada.writes("mine");
  await ada.press("Log out");
  await ada.sees("h3", "a stranger");
  await ada.writes("somebody new");
  assert.deepEqual(await ada.messages(), ["somebody new"]);
});

story("the 409, the way around it, the cleanup, the restored login", async (ada, page) => {
  await ada.login();
  const externalId = await ada.becomes();
  await ada.login(/refused the email \(409\).*is logged in all the same.*reported: \w+…, pending/);
  await ada.sees("h3", `(${externalId})`);
  // By the status alone: ids and durations may hold 409 too.
  const refused = page.locator("#diagram li.bad", { has: page.locator(".outcome b", { hasText: /^409$/ }) });
  await refused.nth(1).waitFor();
  assert.equal(await refused.count(), 2, "once, and once more");
  const email = await ada.value("Email");
  const row = page.locator("#conflicts tr", { hasText: email });
  await row.filter({ hasText: "pending" }).waitFor();
  await ada.drains("Plan", /planned: [1-9]/);
  await row.filter({ hasText: "planned" }).filter({ hasText: "release-email" }).waitFor();
  await ada.drains("Release the email", /resolved: [1-9]/);
  await row.filter({ hasText: "resolved" }).waitFor();
  await ada.sees("#diagram .title", "/personalinformation");
  await ada.login();
});

story("a merge keeps the history", async (ada) => {
  await ada.login();
  await ada.writes("my order is late");
  await ada.press("Use the help centre too");
  await ada.sees("#account-state", /Zendesk Support's user \d+/);
  await ada.becomes();
  await ada.login(/refused the email/);
  assert.deepEqual(await ada.messages(), []);
  await ada.drains("Merge", /resolved: [1-9]/);
  await ada.sees("#diagram .title", "/sync");
  await ada.login();
  await ada.reads("This device", "my order is late");
});

story("what a run may not decide is for a person, who approves a delete", async (ada, page) => {
  await ada.login();
  await ada.writes("soon gone");
  await ada.becomes();
  await ada.login(/refused the email/);
  await ada.drains("Merge", /to review: [1-9]/);
  const email = await ada.value("Email");
  await page.locator("#conflicts tr", { hasText: email }).filter({ hasText: "no_zendesk_id" }).waitFor();
  await ada.press(`Approve a delete for ${email}`);
  await page.locator("#conflicts tr", { hasText: email }).filter({ hasText: "resolved" }).waitFor();
  await ada.login();
  assert.deepEqual(await ada.messages(), []);
});

for (const [holder, radio] of [["the page", /^this page/], ["the function", /^the function/]]) {
  story(`Puzzel, with the verifier held by ${holder}`, async (ada, page) => {
    await ada.login();
    const externalId = await ada.value("external_id");
    await page.getByRole("radio", { name: radio }).check();
    await ada.press("Start a chat");
    await ada.sees("#puzzel-state", `a chat with ${externalId}, in the queue “customer care”`);
    await ada.press("Start as a stranger");
    await ada.sees("#puzzel-state", "with a stranger");
    await ada.press("Tell who I am");
    await ada.sees("#puzzel-state", `a chat with ${externalId}`);
    await ada.sees("#diagram .title", "/api/visitor/setIdentity/");
    const route = holder === "the page" ? "page → puzzel" : "functions → puzzel";
    await page.locator("#diagram li", { hasText: route }).filter({ hasText: "userInfoId=(hidden)&codeVerifier=(hidden)" }).waitFor({ state: "attached" });
  });
}

story("a Puzzel chat needs a login, and the page says so", async (ada) => {
  await ada.press("Start a chat");
  await ada.sees("#puzzel-state", /log the user in first/);
});

story("everything by keyboard", async (ada, page) => {
  const { keyboard } = page;
  const tabTo = async (name) => {
    for (let tabs = 0; tabs < 60; tabs += 1) {
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
  await tabTo("page → login");
  await keyboard.press("Enter");
  await page.locator("#diagram pre:visible", { hasText: "answered" }).waitFor();
});

story("what people write is shown as text, under a strict policy", async (ada, page) => {
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
  assert.doesNotMatch(shown, /eyJ[\w-]+\.eyJ/, "no token is shown whole");
});

for (const [name, options] of Object.entries({
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  phone: { viewport: { width: 375, height: 800 } },
})) {
  story(`accessible: ${name}`, async (ada, page) => {
    await page.emulateMedia({ reducedMotion: "reduce" });
    await ada.login();
    await ada.writes("hello");
    await ada.becomes();
    await ada.login(/refused the email/);
    await ada.drains("Plan", /planned: [1-9]/);
    await page.locator("#diagram summary").first().click();
    const { scrollWidth, innerWidth } = await page.evaluate(() => ({ scrollWidth: document.documentElement.scrollWidth, innerWidth }));
    assert.ok(scrollWidth <= innerWidth, `${scrollWidth} in ${innerWidth}`);
    await page.evaluate(axe);
    const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
    const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
    assert.deepEqual(serious.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]), []);
    assert.ok(passes.length > 20, "axe looked");
  }, options);
}
