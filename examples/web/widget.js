/** A stand-in for Zendesk's web widget. It handles a login as `zE` does, and shows a chat. */

import { asIfLater } from "./clock.js";
import { during } from "./diagram.js";
import { make, onClick, say } from "./dom.js";
import { ask } from "./local.js";

const ZENDESK = "/local/zendesk/sc";
const DAY = 24 * 60 * 60 * 1000;

/** @typedef {(hand: (jwt: string) => void) => void} JwtCallback */

/** The widget on one device. */
export class Widget {
  #deviceId = crypto.randomUUID();
  /** @type {string | undefined} */
  #jwt;
  /** @type {JwtCallback | undefined} */
  #jwtCallback;
  /** Resolves once an expired token is renewed. */
  #renewed = Promise.resolve();
  #renewals = 0;
  #conversationId = "";
  /** The logout under way. The next login must wait for it. */
  #left = Promise.resolve();
  #title = make("h3");
  #messages = make("ol", { className: "messages", tabIndex: 0 });
  #state = make("p", { className: "state", hidden: true });
  #name;
  #changed;
  /** The text if there are no messages. */
  emptyBecause = "";

  /** @param {string} name @param {() => Promise<void>} changed called after a new message */
  constructor(name, changed) {
    [this.#name, this.#changed] = [name, changed];
    this.#messages.setAttribute("aria-label", `${name}: conversation`);
    this.#messages.setAttribute("aria-live", "polite");
    this.#state.setAttribute("role", "status");
    this.input = make("input", { autocomplete: "off", maxLength: 500, placeholder: "Write a message", required: true });
    this.input.setAttribute("aria-label", `${name}: message`);
    const form = make("form", {}, this.input, make("button", { className: "main" }, "Send"));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = this.input.value.trim();
      this.input.value = "";
      if (text) await this.write(text);
    });
    const answer = make("button", { type: "button" }, "Answer as the shop");
    onClick(answer, () => this.answer("Good to hear from you! How can we help?"));
    const expire = make("button", { type: "button" }, "Let the token expire");
    onClick(expire, () => this.#expire());
    const buttons = make("p", { className: "buttons" }, answer, expire);
    this.element = make("div", { className: "device" }, this.#title, this.#messages, form, buttons, this.#state);
    this.#draw(null);
  }

  /** Called as the real widget's `zE`. @type {import("./types.js").ZendeskWidget} */
  zE = (area, call, ...callbacks) => {
    if (area !== "messenger") throw new TypeError(`no ${area} here`);
    if (call === "logoutUser") return void (this.#left = this.#logout());
    const [jwtCallback, loginCallback] = callbacks;
    jwtCallback(async (/** @type {string} */ jwt) => {
      await this.#left;
      const { status, body } = await ask("POST", `${ZENDESK}/_login`, { jwt, deviceId: this.#deviceId });
      if (status !== 200) {
        // As with the real widget, the visitor continues as a stranger.
        this.#jwt = this.#jwtCallback = undefined;
        this.#draw(null);
        return loginCallback({ type: "LoginFailedError", reason: body.code, message: body.description });
      }
      this.#jwt = jwt;
      this.#jwtCallback = jwtCallback;
      this.#draw(body);
      loginCallback();
    });
  };

  /** Shows messages from another device, and restored messages. */
  async refresh() {
    if (!this.#jwt && !this.#conversationId) return;
    const { status, body } = await ask("POST", `${ZENDESK}/_login`, await this.#caller());
    if (status === 200) this.#draw(body);
  }

  /** @param {string} text */
  write(text) {
    return during(`Write “${text}”`, async () => {
      await ask("POST", `${ZENDESK}/_messages`, { text, ...(await this.#caller()) });
      const { body } = await ask("POST", `${ZENDESK}/_login`, await this.#caller());
      this.#draw(body);
      await this.#changed();
    });
  }

  /** @param {string} text */
  async answer(text) {
    if (!this.#conversationId) return say(this.#state, "Write something first: the shop has no conversation to answer.");
    this.#state.hidden = true;
    const path = `${ZENDESK}/_control/conversations/${this.#conversationId}/messages`;
    await during("Answer as the shop", async () => {
      await ask("POST", path, { text });
      await this.#changed();
    });
  }

  async #expire() {
    if (!this.#jwt) return say(this.#state, "Log in first: a stranger has no token.");
    const before = this.#renewals;
    await during("Let the token expire", () => asIfLater(DAY, () => this.refresh()));
    const isNew = this.#renewals > before;
    say(this.#state, isNew ? "The token had expired. The widget requested another one, and got it." : "There is no new token.", isNew ? "good" : "bad");
  }

  /** Returns the device, and its user's token, which is renewed if it has expired. */
  async #caller() {
    const callback = this.#jwtCallback;
    if (this.#jwt && callback && expiry(this.#jwt) <= Date.now()) {
      this.#renewed = new Promise((hand) => callback(hand)).then((jwt) => {
        this.#jwt = jwt;
        this.#renewals += 1;
      });
    }
    await this.#renewed;
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
    const drawn = messages.map(({ author, content }) => make("li", { className: author.type === "user" ? "mine" : "theirs" }, String(content.text ?? "")));
    this.#messages.replaceChildren(...drawn);
    this.#messages.dataset["empty"] = user.externalId && !drawn.length ? this.emptyBecause : "";
    this.#messages.scrollTop = this.#messages.scrollHeight;
  }
}

/** Returns the expiry of a token, in milliseconds. @param {string} jwt */
function expiry(jwt) {
  const claims = (jwt.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
  return JSON.parse(atob(claims)).exp * 1000;
}
