/** A stand-in for Zendesk's web widget: what `zE` does with a login, and a chat to see it in. */

import { make, onClick } from "./dom.js";
import { ask } from "./local.js";

const ZENDESK = "/local/zendesk/sc";

/** @typedef {(hand: (jwt: string) => void) => void} JwtCallback */

/** The widget on one device. */
export class Widget {
  #deviceId = crypto.randomUUID();
  /** @type {string | undefined} */
  #jwt;
  /** @type {JwtCallback | undefined} */
  #jwtCallback;
  /** How far this device's clock is put forward, in milliseconds. */
  #ahead = 0;
  #conversationId = "";
  /** The logout under way: what comes after it must not overtake it. */
  #left = Promise.resolve();
  #title = make("h3");
  #messages = make("ol", { className: "messages", tabIndex: 0 });
  #name;

  /** @param {string} name @param {() => Promise<void>} changed that there is a new message */
  constructor(name, changed) {
    this.#name = name;
    this.#messages.setAttribute("role", "log");
    this.#messages.setAttribute("aria-label", `${name}: conversation`);
    const input = make("input", { autocomplete: "off", maxLength: 500, placeholder: "Write a message", required: true });
    input.setAttribute("aria-label", `${name}: message`);
    const form = make("form", {}, input, make("button", { className: "main" }, "Send"));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = input.value.trim();
      input.value = "";
      if (!text) return;
      await this.#send(text);
      await changed();
    });
    const answer = make("button", { type: "button" }, "Answer as the shop");
    onClick(answer, async () => {
      const path = `${ZENDESK}/_control/conversations/${this.#conversationId}/messages`;
      if (this.#conversationId) await ask("POST", path, { text: "Good to hear from you! How can we help?" });
      await changed();
    });
    const expire = make("button", { type: "button" }, "Let the token expire");
    onClick(expire, async () => {
      this.#ahead = 24 * 60 * 60 * 1000;
      await this.refresh();
    });
    const buttons = make("p", { className: "buttons" }, answer, expire);
    this.element = make("div", { className: "device" }, this.#title, this.#messages, form, buttons);
    this.#draw(null);
  }

  /** As the real widget's. @param {string} area @param {string} call @param {any[]} callbacks */
  zE = (area, call, ...callbacks) => {
    if (area !== "messenger") throw new TypeError(`no ${area} here`);
    if (call === "logoutUser") return void (this.#left = this.#logout());
    const [jwtCallback, loginCallback] = callbacks;
    jwtCallback(async (/** @type {string} */ jwt) => {
      await this.#left;
      const { status, body } = await ask("POST", `${ZENDESK}/_login`, { jwt, deviceId: this.#deviceId });
      if (status !== 200) {
        // As with the real one, whoever is here goes on as a stranger.
        this.#jwt = this.#jwtCallback = undefined;
        this.#draw(null);
        return loginCallback({ type: "LoginFailedError", reason: body.code, message: body.description });
      }
      this.#jwt = jwt;
      this.#jwtCallback = jwtCallback;
      this.#ahead = 0;
      this.#draw(body);
      loginCallback();
    });
  };

  /** Shows what was written on another device. */
  async refresh() {
    if (!this.#jwt && !this.#conversationId) return;
    const { status, body } = await ask("POST", `${ZENDESK}/_login`, await this.#caller());
    if (status === 200) this.#draw(body);
  }

  /** @param {string} text */
  async #send(text) {
    await ask("POST", `${ZENDESK}/_messages`, { text, ...(await this.#caller()) });
    const { body } = await ask("POST", `${ZENDESK}/_login`, await this.#caller());
    this.#draw(body);
  }

  /** Who asks: the device, and its user with a token that has not expired. */
  async #caller() {
    const callback = this.#jwtCallback;
    if (this.#jwt && callback && expiry(this.#jwt) <= Date.now() + this.#ahead) {
      this.#jwt = await new Promise((hand) => callback(hand));
      this.#ahead = 0;
    }
    return { deviceId: this.#deviceId, ...(this.#jwt && { jwt: this.#jwt }) };
  }

  async #logout() {
    this.#jwt = this.#jwtCallback = undefined;
    this.#draw(null);
    await ask("POST", `${ZENDESK}/_logout`, { deviceId: this.#deviceId });
  }

  /** @param {{ user: any, conversations: any[] } | null} session */
  #draw(session) {
    const { user = {}, conversations = [] } = session ?? {};
    const names = [user.profile?.givenName, user.profile?.surname].filter(Boolean).join(" ");
    const who = user.externalId ? `${names || "no name"} (${user.externalId})` : "a stranger";
    this.#title.textContent = `${this.#name}: ${who}`;
    this.#conversationId = conversations[0]?.id ?? "";
    const messages = conversations.flatMap((conversation) => conversation.messages);
    this.#messages.replaceChildren(
      ...messages.map(({ author, content }) =>
        make("li", { className: author.type === "user" ? "mine" : "theirs" }, String(content.text ?? "")),
      ),
    );
    this.#messages.scrollTop = this.#messages.scrollHeight;
  }
}

/** When a token expires, in milliseconds. @param {string} jwt */
function expiry(jwt) {
  const claims = (jwt.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
  return JSON.parse(atob(claims)).exp * 1000;
}
