"use client";
/**
 * A React hook that logs the site's user in to the chat.
 * @module
 */

import { useEffect, useRef, useState } from "react";
import { connectZendesk } from "./chat-identity.js";

/**
 * @typedef {import("./types.js").ZendeskOptions} ZendeskOptions
 * @typedef {import("./types.js").Session} Session
 * @typedef {import("./chat-identity.js").ChatIdentityError} ChatIdentityError
 * @typedef {{ session: Session | null, error: ChatIdentityError | null }} ChatIdentity both null while the
 *   login is under way, and if no one is logged in
 */

/** @type {ChatIdentity} */
const NO_ONE = { session: null, error: null };

/** The page's chats, by widget. A finished session outlives its component. @type {Map<unknown, Chat>} */
const chats = new Map();

/** One widget, with its session or its login under way. */
class Chat {
  /** Updates the component; null if there is none. @type {((now: ChatIdentity) => void) | null} */
  show = null;
  /** @type {Session | null} */
  session = null;
  /** The last ID token, to check whether the site's user is still the same. @type {import("./types.js").IdToken} */
  #idToken = null;
  /** The `getIdpToken` whose call is under way. @type {import("./types.js").Api["getIdpToken"] | null} */
  #asked = null;
  #login = new AbortController();

  /** @param {ZendeskOptions} options */
  constructor(options) {
    this.options = options;
  }

  connect() {
    const { zE, endpoint, signal, getIdpToken } = this.options;
    const login = (this.#login = new AbortController());
    const forget = () => {
      this.session = this.#idToken = this.#asked = null;
      this.show?.(NO_ONE);
    };
    const end = () => {
      login.abort();
      forget();
    };
    signal?.addEventListener("abort", end, { signal: login.signal });
    if (signal?.aborted) login.abort();
    forget();
    /** @type {ZendeskOptions} */
    const options = { zE, endpoint, signal: login.signal, onError: (error) => this.#hear(error) };
    // Use the newest options: components pass new functions with each rendering.
    if (getIdpToken) {
      options.getIdpToken = async (how) => {
        const asked = (this.#asked = this.options.getIdpToken);
        const token = await asked?.(how);
        // A late token may be another user's.
        if (this.#login === login) [this.#idToken, this.#asked] = [token, null];
        return token;
      };
    }
    const isNewest = () => this.#login === login && !login.signal.aborted;
    /** @param {Session} session */
    const isIn = (session) => {
      if (!isNewest()) return;
      this.session = session;
      this.show?.({ session, error: null });
    };
    options.onSession = (session) => {
      isIn(session);
      this.options.onSession?.(session);
    };
    connectZendesk(options).then(isIn, (error) => isNewest() && this.show?.({ session: null, error }));
  }

  /** Connects again if another user is logged in at the site now. */
  async compare() {
    const { getIdpToken } = this.options;
    const login = this.#login;
    // A login that has not called `getIdpToken` yet will call the newest one.
    if (!getIdpToken || (!this.#idToken && (!this.#asked || this.#asked === getIdpToken))) return;
    const token = await Promise.resolve(getIdpToken()).catch(() => null);
    if (!token || login !== this.#login || login.signal.aborted) return;
    if (!this.#idToken || !isSameUser(token, this.#idToken)) this.connect();
  }

  /** @param {ChatIdentityError} error */
  #hear(error) {
    if (error.code === "user_changed") this.connect();
    else this.show?.({ session: this.session, error });
    this.options.onError?.(error);
  }

  /** Logs out, or ends the login under way. */
  async end() {
    chats.delete(this.options.zE);
    // `onError` gets the error of a failed logout.
    await this.session?.logout().catch(() => {});
    this.#login.abort();
  }
}

/** @param {string} token @param {string} other */
function isSameUser(token, other) {
  const subject = (/** @type {string} */ jwt) => {
    const claims = JSON.parse(atob((jwt.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/")));
    return JSON.stringify([claims.iss, claims.sub]);
  };
  try {
    return token === other || subject(token) === subject(other);
  } catch {
    return false;
  }
}

/**
 * Logs the site's user in to Zendesk messaging; `null` logs the user out. If the component unmounts, a
 * login under way ends; a finished session stays.
 * @param {ZendeskOptions | null} options the options of `connectZendesk`. They may be made for each rendering:
 *   the hook logs in again if `zE` or `endpoint` changes, or if a new `getIdpToken` returns another user's token.
 * @returns {ChatIdentity}
 */
export function useChatIdentity(options) {
  const [now, show] = useState(NO_ONE);
  /** @type {import("react").RefObject<Chat | null>} */
  const own = useRef(/** @type {Chat | null} */ (null));
  const { zE, endpoint, getIdpToken } = options ?? {};
  const isIn = options !== null;

  useEffect(() => {
    if (!options) {
      // Also end the sessions that an earlier component left.
      for (const chat of chats.values()) if (!chat.show) chat.end();
      own.current = null;
      show(NO_ONE);
      return;
    }
    const left = chats.get(zE);
    const stays = left?.session && left.options.endpoint === endpoint;
    const chat = stays ? left : new Chat(options);
    if (own.current && own.current !== chat) own.current.end();
    chats.set(zE, (own.current = chat));
    chat.options = options;
    chat.show = show;
    if (stays) show({ session: chat.session, error: null });
    else chat.connect();
    return () => {
      chat.show = null;
      if (!chat.session) chat.end();
    };
  }, [isIn, zE, endpoint]);

  // After each rendering, so that the newest functions are called.
  useEffect(() => {
    if (options && own.current) own.current.options = options;
  });
  useEffect(() => void own.current?.compare(), [getIdpToken]);
  return now;
}
