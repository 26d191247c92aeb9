/** The shop's side: its own login of made-up people, and the chat logged in with them. */

import { ChatIdentityError, connectZendesk } from "./chat-identity.js";
import { byId, field, make, onClick, say } from "./dom.js";
import { ask, digits } from "./local.js";
import { Widget } from "./widget.js";

const NAMES = ["Ada", "Bo", "Cleo", "Dana", "Eli", "Fay", "Gus", "Hana"];
const form = byId("account-form", HTMLFormElement);
const state = byId("account-state", HTMLElement);
const logoutButton = byId("logout", HTMLButtonElement);
const helpCentre = byId("help-centre", HTMLButtonElement);

/** @typedef {{ externalId: string, email: string, verified: boolean, name: string, tells: boolean }} Person */

/** Who is logged in at the shop. @type {Person | null} */
let person = null;
/** Who was last, so that a change can be told. @type {Person | null} */
let before = null;
let zendeskId = "";
/** @type {{ widget: Widget, session: import("./chat-identity.js").Session | null }[]} */
const devices = [];

const endpoint = location.origin;

/** What a site's own login library does: a fresh ID token of who is logged in. */
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

/** Makes somebody up, new to everybody. */
function makeUp() {
  const number = digits(6);
  const name = NAMES[Number(number) % NAMES.length];
  for (const [field, value] of [["name", `${name} Example`], ["externalId", number], ["email", `${name.toLowerCase()}.${number}@example.com`]]) {
    const input = form.elements.namedItem(field);
    if (input instanceof HTMLInputElement) input.value = value;
  }
}

/** What a login came to, in words. @param {import("./chat-identity.js").Session} session @returns {[string, "good" | ""]} */
function told({ externalId, outcome, conflict, reportError }) {
  if (outcome === "with_email") return [`${externalId} is logged in to the chat, with the email.`, "good"];
  if (outcome === "no_email") return [`${externalId} is logged in to the chat. There is no verified email to go with it.`, "good"];
  const report = conflict
    ? `The conflict is reported: ${conflict.conflictId.slice(0, 8)}…, ${conflict.state}.`
    : `It could not be reported: ${reportError?.message}.`;
  return [`Zendesk refused the email (409): it is another user's still. ${externalId} is logged in all the same, without it. ${report}`, ""];
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

async function login() {
  await logout();
  person = entered();
  say(state, "Logging in…");
  if (before && before.email === person.email && before.externalId !== person.externalId) {
    await externalIdChanged(before.externalId, person);
  }
  before = person;
  try {
    for (const device of devices) say(state, ...told(await connect(device)));
  } catch (error) {
    fail(error);
  }
  helpCentre.disabled = logoutButton.disabled = false;
}

/** What happens at Zendesk when the shop gives its user another id. @param {string} previous @param {Person} now */
async function externalIdChanged(previous, { externalId: current, email, tells }) {
  if (zendeskId) await ask("PUT", `/local/zendesk/sc/_control/core-users/${zendeskId}`, { externalId: current, email });
  if (tells) await ask("POST", "/local/external-id-changed", { previous, current, email });
}

async function logout() {
  const sessions = devices.map((device) => device.session);
  for (const device of devices) device.session = null;
  for (const session of sessions) await session?.logout();
  person = null;
  helpCentre.disabled = logoutButton.disabled = true;
  say(state, "Nobody is logged in.");
}

/** Links the messaging user to a user of Zendesk Support, as the help centre's login does. */
async function useHelpCentre() {
  const { body: users } = await ask("GET", "/local/zendesk/sc/_control/users");
  const user = users.find((/** @type {any} */ one) => one.externalId === person?.externalId);
  if (!user) return say(state, "Log in to the chat first.", "bad");
  zendeskId = user.zendeskId ?? digits(9);
  await ask("POST", "/local/zendesk/sc/_control/users", { ...user, zendeskId });
  say(state, `${user.externalId} is Zendesk Support's user ${zendeskId} too.`, "good");
}

function addDevice() {
  const name = devices.length ? "Second device" : "This device";
  const refresh = async () => {
    for (const { widget } of devices) await widget.refresh();
  };
  const device = { widget: new Widget(name, refresh), session: null };
  devices.push(device);
  byId("devices", HTMLElement).append(device.widget.element);
  return device;
}

/** Sets the account and the chat going. */
export function start() {
  makeUp();
  addDevice();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = byId("login", HTMLButtonElement);
    button.disabled = true;
    await login().finally(() => (button.disabled = false));
  });
  logoutButton.addEventListener("click", logout);
  onClick(helpCentre, useHelpCentre);
  onClick(byId("switch", HTMLButtonElement), async () => {
    const wasIn = person !== null;
    [before, zendeskId] = [null, ""];
    makeUp();
    if (wasIn) await login();
  });
  const second = byId("second-device", HTMLButtonElement);
  second.addEventListener("click", async () => {
    second.replaceWith(make("small", {}, "The same person, on a phone: the same conversation."));
    const device = addDevice();
    if (person) await connect(device).catch(fail);
  });
}
