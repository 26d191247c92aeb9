/** The types of the module's options and results. Import them from "chat-identity". */

import type { ChatIdentityError } from "./chat-identity.js";

/** Nothing if no one is logged in. */
export type IdToken = string | null | undefined;

export interface Api {
  /** The API's URL without a path, e.g. `https://chat-api.example.com`. */
  endpoint: string;
  /**
   * Gives the site's own ID token of the user who is logged in *now*; called before every request. With
   * `{ fresh: true }` the API refused the last one: get a new one from the IdP, not from a cache.
   * Leave it out if the login is a session cookie.
   */
  getIdpToken?: ((how?: { fresh: boolean }) => IdToken | Promise<IdToken>) | undefined;
}

export interface Options extends Api {
  /** Ends the login under way, or the session that came of it. */
  signal?: AbortSignal | undefined;
  /**
   * Hears of what fails after the promise is settled, e.g. when the widget wants another token and
   * none can be had. What may pass is asked again all the same.
   */
  onError?: ((error: ChatIdentityError) => void) | undefined;
  /**
   * Hears that all is well again: of the late session after `login_unanswered`, and of the session that
   * got another token after `onError` had heard of an error.
   */
  onSession?: ((session: Session) => void) | undefined;
}

export interface ZendeskOptions extends Options {
  zE: ZendeskWidget;
}

export interface SmoochOptions extends Options {
  Smooch: SmoochWidget;
  /** The site's own delegate methods: the SDK has room for one delegate only. */
  delegate?: object | undefined;
}

/**
 * Zendesk's web widget. Give the window's own `zE`, not a wrapper that is made for each call: there is
 * one session for each function. For TypeScript: `declare global { interface Window { zE: ZendeskWidget } }`.
 */
export type ZendeskWidget = (
  area: "messenger",
  call: "loginUser" | "logoutUser",
  // `any`, because each call has callbacks of its own.
  ...callbacks: any[]
) => unknown;

/** The legacy SDK, the Web Messenger. */
export interface SmoochWidget {
  login(externalId: string, jwt: string): unknown;
  logout(): unknown;
  setDelegate(delegate: any): unknown;
}

export interface Conflict {
  conflictId: string;
  state: string;
}

export interface Session {
  /** The user who is logged in to the chat. */
  externalId: string;
  /** `without_email`: another user still has the email; `no_email`: the user has no verified one. */
  outcome: "with_email" | "without_email" | "no_email";
  /** The conflict that was reported, now or earlier in this tab. */
  conflict: Conflict | null;
  /** Why it could not be reported; the login holds. */
  reportError: ChatIdentityError | null;
  /** Makes the visitor a stranger again. It does nothing if a newer login has begun on the widget. */
  logout(): Promise<void>;
}

export interface PuzzelOptions extends Api {
  /** What `getIdpToken` gives, if that is not the function's `PUZZEL_TOKEN_KIND`. */
  tokenKind?: "accessToken" | "idToken" | undefined;
  providerId?: number | undefined;
  visitorToken?: string | undefined;
}

/**
 * Use `exchange` if the page makes Puzzel's calls itself and so holds the PKCE verifier; or `startChat`
 * and `setIdentity`, for which the function makes them and the page gets neither. A request is repeated
 * only after a 401: after any other failure look first whether the chat has begun.
 */
export interface Puzzel {
  /** For Puzzel's start chat and set identity, each once. */
  exchange(): Promise<{ userInfoId: string; codeVerifier: string }>;
  /** Gives Puzzel's answer. `conversationId` is of your choice: a random UUID. */
  startChat(conversationId: string, queueKey: string): Promise<any>;
  /** Tells Puzzel who a chat is with that began anonymously. */
  setIdentity(conversationId: string): Promise<void>;
}
