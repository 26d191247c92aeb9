/** Puzzel's chat, in both flows. */

import { getIdpToken } from "./account.js";
import { ChatIdentityError, connectPuzzel } from "./chat-identity.js";
import { during } from "./diagram.js";
import { byId, enable, field, onClick, say } from "./dom.js";
import { ask } from "./local.js";

const PUZZEL = "/local/puzzel";
const form = byId("puzzel-form", HTMLFormElement);
const state = byId("puzzel-state", HTMLElement);
const identify = byId("set-identity", HTMLButtonElement);
const puzzel = connectPuzzel({ endpoint: location.origin, getIdpToken, tokenKind: "idToken" });
let conversationId = "";

const isHeldByPage = () => field(new FormData(form), "holder") === "page";
const queueKey = () => field(new FormData(form), "queueKey");
const route = () => `${PUZZEL}/api/conversation/${conversationId}/route/${encodeURIComponent(queueKey())}`;

/** Shows the user that Puzzel has for the chat. */
async function show() {
  const { body } = await ask("GET", `${PUZZEL}/_control/state`);
  const chat = body.chats[conversationId];
  const whom = chat?.subject ? `with ${chat.subject}` : "with a stranger";
  say(state, `Puzzel has a chat ${whom}, in the queue “${chat?.queueKey}”.`, chat?.subject ? "good" : "");
  enable(identify, Boolean(chat) && !chat.subject);
}

/** @param {string} title @param {() => Promise<unknown>} work */
async function tried(title, work) {
  try {
    await during(title, work);
    await show();
  } catch (error) {
    if (!(error instanceof ChatIdentityError)) throw error;
    say(state, `${error.code}: ${error.message}.`, "bad");
  }
}

/** Starts the panel. */
export function start() {
  onClick(byId("start-chat", HTMLButtonElement), async () => {
    conversationId = crypto.randomUUID();
    await tried("Start a chat", async () => {
      if (!isHeldByPage()) return puzzel.startChat(conversationId, queueKey());
      const query = new URLSearchParams(await puzzel.exchange());
      return ask("POST", `${route()}?${query}`);
    });
  });
  onClick(byId("start-anonymous", HTMLButtonElement), async () => {
    conversationId = crypto.randomUUID();
    await tried("Start as a stranger", () => ask("POST", route()));
  });
  identify.addEventListener("click", async () => {
    if (identify.getAttribute("aria-disabled") === "true") return;
    await tried("Identify me", async () => {
      if (!isHeldByPage()) return puzzel.setIdentity(conversationId);
      return ask("POST", `${PUZZEL}/api/visitor/setIdentity/${conversationId}`, await puzzel.exchange());
    });
  });
}
