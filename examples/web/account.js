/** The shop's side: its own login for made-up users, and their login to the chat. */

import { ChatIdentityError, connectZendesk } from "./chat-identity.js";
import { during } from "./diagram.js";
import { byId, enable, field, make, onClick, say } from "./dom.js";
import { ask, digits } from "./local.js";
import { Widget } from "./widget.js";

const NAMES = ["Ada", "Bo", "Cleo", "Dana", "Eli", "Fay", "Gus", "Hana"];
const form = byId("account-form", HTMLFormElement);
const state = byId("account-state", HTMLElement);
const logoutButton = byId("logout", HTMLButtonElement);

/** @typedef {{ externalId: string, email: string, verified: boolean, name: string, tells: boolean }} Person */

/** The user who is logged in at the shop. @type {Person | null} */
let person = null;
/** The last user, to detect a changed external_id. @type {Person | null} */
let before = null;
let zendeskId = "";
/** @type {{ widget: Widget, session: import("./types.js").Session | null }[]} */
const devices = [];

const endpoint = location.origin;

/** Returns a fresh ID token of the logged-in user, as a site's own login library does. */
export async function getIdpToken() {
  if (!person) return "";
  const { externalId, email, verified, name } = person;
  const claims = { sub: externalId, name, ...(email && { email, email_verified: verified }) };
  const { body } = await ask("POST", "/local/login/token", claims);
  return body.id_token;
}

/** @returns {Person} */
function entered() {
  const data = new FormData(form);
  const [externalId, email, name] = ["externalId", "email", "name"].map((it) => field(data, it));
  return { externalId, email, name, verified: data.has("verified"), tells: data.has("tells") };
}

/** @param {string} name @param {string} value */
function fill(name, value) {
  const input = form.elements.namedItem(name);
  if (input instanceof HTMLInputElement) input.value = value;
}

/** Makes up a user whom no system knows. */
function makeUp() {
  const number = digits(6);
  const name = NAMES[Number(number) % NAMES.length] ?? "";
  fill("name", `${name} Example`);
  fill("externalId", number);
  fill("email", `${name.toLowerCase()}.${number}@example.com`);
}

/** Describes a finished login. @param {import("./types.js").Session} session @returns {[string, "good" | ""]} */
function described({ externalId, outcome, conflict, reportError }) {
  if (outcome === "with_email") return [`${externalId} is logged in to the chat, with the email.`, "good"];
  if (outcome === "no_email") return [`${externalId} is logged in to the chat. There is no verified email.`, "good"];
  const report = conflict
    ? `The conflict was reported: ${conflict.conflictId.slice(0, 8)}…, ${conflict.state}.`
    : `The conflict could not be reported: ${reportError?.message}.`;
  return [`Zendesk refused the email (409): another user still has it. ${externalId} is logged in anyway, without it. ${report}`, ""];
}

/** @param {unknown} error */
function fail(error) {
  if (!(error instanceof ChatIdentityError)) throw error;
  say(state, `${error.code}: ${error.message}.`, "bad");
}

/** @param {typeof devices[number]} device */
async function connect(device) {
  device.session = await connectZendesk({ endpoint, getIdpToken, zE: device.widget.zE, onError: fail });
  return device.session;
}

export function login() {
  return during("Log in", async () => {
    await leave();
    person = entered();
    say(state, "Logging in…");
    const isChanged = before && before.email === person.email && before.externalId !== person.externalId;
    if (before && isChanged) await externalIdChanged(before.externalId, person);
    const because = before && isChanged ? `The messages stay with ${before.externalId} until the cleanup has run.` : "";
    for (const { widget } of devices) widget.emptyBecause = because;
    before = person;
    try {
      for (const device of devices) say(state, ...described(await connect(device)));
    } catch (error) {
      fail(error);
    }
    enable(logoutButton, true);
  });
}

/** Makes the changes at Zendesk that follow when the shop changes its user's id. @param {string} previous @param {Person} now */
async function externalIdChanged(previous, { externalId: current, email, tells }) {
  if (zendeskId) await ask("PUT", `/local/zendesk/sc/_control/core-users/${zendeskId}`, { externalId: current, email });
  if (tells) await ask("POST", "/local/external-id-changed", { previous, current, email });
}

/** Changes the id as a migration does: the person and the email stay the same. */
export async function newId() {
  fill("externalId", digits(6));
  say(state, "The shop has given you a new external_id. Log in with it.");
}

async function leave() {
  const sessions = devices.map((device) => device.session);
  for (const device of devices) device.session = null;
  for (const session of sessions) await session?.logout();
  person = null;
  enable(logoutButton, false);
  say(state, "No one is logged in.");
}

/** Shows new messages on all devices. */
export async function refresh() {
  for (const { widget } of devices) await widget.refresh();
}

/** The chat on the first device. */
export const firstWidget = () => /** @type {Widget} */ (devices[0]?.widget);

/** Makes up a user whom no system knows, unrelated to the last user. */
export function somebodyElse() {
  [before, zendeskId] = [null, ""];
  makeUp();
}

/** Links the messaging user to a user of Zendesk Support, as the help centre's login does. */
async function useHelpCentre() {
  const { body: users } = await ask("GET", "/local/zendesk/sc/_control/users");
  const user = users.find((/** @type {any} */ one) => one.externalId === person?.externalId);
  if (!user) return say(state, "Log in to the chat first.", "bad");
  zendeskId = user.zendeskId ?? digits(9);
  await ask("POST", "/local/zendesk/sc/_control/users", { ...user, zendeskId });
  say(state, `${user.externalId} is now linked to Zendesk Support's user ${zendeskId}.`, "good");
}

function addDevice() {
  const device = { widget: new Widget(devices.length ? "Second device" : "This device", refresh), session: null };
  devices.push(device);
  byId("devices", HTMLElement).append(device.widget.element);
  return device;
}

/** Starts the account and the chat. */
export function start() {
  makeUp();
  addDevice();
  onClick(byId("login", HTMLButtonElement), login);
  logoutButton.addEventListener("click", () => person && during("Log out", leave));
  onClick(byId("new-id", HTMLButtonElement), newId);
  onClick(byId("help-centre", HTMLButtonElement), useHelpCentre);
  onClick(byId("switch", HTMLButtonElement), async () => {
    const wasIn = person !== null;
    somebodyElse();
    if (wasIn) await login();
  });
  const second = byId("second-device", HTMLButtonElement);
  second.addEventListener("click", async () => {
    const device = addDevice();
    second.replaceWith(make("small", {}, "The same person on a phone sees the same conversation."));
    device.widget.input.focus();
    if (person) await during("Open a second device", () => connect(device).catch(fail));
  });
}
