/** The types of the module's options and results. Import them from "chat-identity". */

import type { ChatIdentityError } from "./chat-identity.js";

/** `null` or `undefined` if no one is logged in. */
export type IdToken = string | null | undefined;

export interface Api {
  /** The API's URL without a path, e.g. `https://chat-api.example.com`. */
  endpoint: string;
  /**
   * Returns the site's own ID token of the user who is logged in *now*. Called before every request; with
   * `{ fresh: true }` after the API refused the last token: get a new one from the IdP, not from a cache.
   * Leave it out if the login is a session cookie.
   */
  getIdpToken?: ((how?: { fresh: boolean }) => IdToken | Promise<IdToken>) | undefined;
}

export interface Options extends Api {
  /** Ends the login under way, or its session. */
  signal?: AbortSignal | undefined;
  /**
   * Called with errors after the promise settled, for example if no new token can be fetched.
   * Temporary failures are still retried.
   */
  onError?: ((error: ChatIdentityError) => void) | undefined;
  /** Called with the session once it works again: after `login_unanswered`, or after an error. */
  onSession?: ((session: Session) => void) | undefined;
}

export interface ZendeskOptions extends Options {
  zE: ZendeskWidget;
}

export interface SmoochOptions extends Options {
  Smooch: SmoochWidget;
  /** The site's own delegate methods, because the SDK accepts only one delegate. */
  delegate?: object | undefined;
}

/**
 * Zendesk's web widget. Pass the window's own `zE`, not a wrapper that is made for each call: each
 * function has its own session. For TypeScript: `declare global { interface Window { zE: ZendeskWidget } }`.
 */
export type ZendeskWidget = (
  area: "messenger",
  call: "loginUser" | "logoutUser",
  // `any`, because each call has its own callbacks.
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
  /** `without_email`: another user still has the email; `no_email`: the user has no verified email. */
  outcome: "with_email" | "without_email" | "no_email";
  /** The conflict that was reported, now or earlier in this tab. */
  conflict: Conflict | null;
  /** The error if the conflict could not be reported. The user is logged in anyway. */
  reportError: ChatIdentityError | null;
  /** Logs the user out of the chat. Does nothing if a newer login has begun on the widget. */
  logout(): Promise<void>;
}

export interface PuzzelOptions extends Api {
  /** The kind of token that `getIdpToken` returns, if it differs from `PUZZEL_TOKEN_KIND`. */
  tokenKind?: "accessToken" | "idToken" | undefined;
  providerId?: number | undefined;
  visitorToken?: string | undefined;
}

/**
 * Use `exchange` if the page makes Puzzel's calls itself and so holds the PKCE verifier. Otherwise use
 * `startChat` and `setIdentity`: the function makes the calls, and the page gets neither the verifier nor
 * the `userInfoId`. A request is retried only after a 401. After any other failure, check first whether
 * the chat has begun.
 */
export interface Puzzel {
  /** Returns the values for one start chat or set identity call to Puzzel. */
  exchange(): Promise<{ userInfoId: string; codeVerifier: string }>;
  /** Returns Puzzel's response. Choose a random UUID as `conversationId`. */
  startChat(conversationId: string, queueKey: string): Promise<any>;
  /** Identifies the visitor of a chat that began anonymously. */
  setIdentity(conversationId: string): Promise<void>;
}
