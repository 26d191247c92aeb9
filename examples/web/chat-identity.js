/**
 * The browser side of chat-identity: logs the users of a site into its chat. Copy it or serve it;
 * it has no dependencies and keeps no token: not in storage, not in a URL, not in the console.
 * @module
 */

/**
 * @typedef {object} Api
 * @property {string} endpoint where the functions are, e.g. `https://chat-api.example.com`
 * @property {() => string | Promise<string>} [getIdpToken] the site's own ID token of who is logged
 *   in *now*; asked before every request. Leave it out where the login is a session cookie.
 * @typedef {{ token: string, externalId: string, expiresAt: number, emailIncluded: boolean }} Signed
 * @typedef {object} Session what a login came to
 * @property {string} externalId who is logged in to the chat
 * @property {"with_email" | "without_email" | "no_email"} outcome with the email; without it,
 *   because it is another user's still; or there was no verified email to begin with
 * @property {{ conflictId: string, state: string } | null} conflict what was reported, if anything
 * @property {ChatIdentityError | null} reportError why it could not be reported; the login holds
 * @property {() => Promise<void>} logout back to a stranger. To switch users: log out, connect again.
 */

/** `code` says what it is, `message` what to do, `cause` is what an SDK said. None holds a token. */
export class ChatIdentityError extends Error {
  /** @param {string} code @param {string} message @param {{ status?: number, retryAfter?: number, cause?: unknown }} [more] */
  constructor(code, message, { status = 0, retryAfter = 0, cause } = {}) {
    super(message, { cause });
    this.name = "ChatIdentityError";
    this.code = code;
    /** The HTTP status; 0 where there was no answer. */
    this.status = status;
    /** Seconds to wait before the next try; 0 where nobody said. */
    this.retryAfter = retryAfter;
  }
}

/** How long an answer may take, in milliseconds. */
const PATIENCE = 30_000;

/** What API Gateway answers by itself, which has no `code`. @type {Record<number, [string, string]>} */
const GATEWAY = {
  401: ["unauthenticated", "log the user in again: the token from getIdpToken is missing, expired or not for this API"],
  403: ["forbidden", "the authorizer refused this user: check its rules"],
  404: ["not_found", "check endpoint: it is the API's URL, without a path, and this part of it must be deployed"],
  429: ["too_many_requests", "wait a little, then try again"],
};

/** @param {Api} api @param {string} method @param {string} path @param {object} [body] @returns {Promise<any>} */
async function ask({ endpoint, getIdpToken }, method, path, body = {}) {
  /** @type {Record<string, string>} */
  const headers = { "content-type": "application/json" };
  if (getIdpToken) {
    const token = await getIdpToken();
    if (!token) throw new ChatIdentityError("no_idp_token", "log the user in first: getIdpToken gave no token");
    headers.authorization = `Bearer ${token}`;
  }
  /** @type {RequestInit} */
  const request = { method, headers, body: JSON.stringify(body), cache: "no-store", redirect: "error" };
  request.credentials = getIdpToken ? "omit" : "include";
  request.signal = AbortSignal.timeout(PATIENCE);
  const answer = await fetch(endpoint.replace(/\/+$/, "") + path, request).catch((cause) => {
    throw new ChatIdentityError("unreachable", "check the network, endpoint, and that the API allows this origin (AllowedOrigins)", { cause });
  });
  const json = await answer.json().catch(() => null);
  if (answer.ok) return json;
  const [code, advice] = GATEWAY[answer.status] ?? ["upstream_error", "try again later; the function's log tells the cause"];
  const more = { status: answer.status, retryAfter: Number(answer.headers.get("retry-after")) || 0 };
  throw new ChatIdentityError(json?.code ?? code, json?.detail ?? advice, more);
}

/** The tokens of one session: always fresh, of one user only, and none after the logout. @param {Api} api */
function signer(api) {
  let externalId = "";
  const tokens = {
    isOver: false,
    /** @param {boolean} includeEmail @returns {Promise<Signed>} */
    async sign(includeEmail) {
      const signed = await ask(api, "POST", "/zendesk/token", includeEmail ? {} : { includeEmail });
      if (tokens.isOver) throw new ChatIdentityError("logged_out", "connect again: this session is over");
      externalId ||= signed.externalId;
      if (signed.externalId === externalId) return signed;
      throw new ChatIdentityError("user_changed", "log out of the chat before another user logs in, then connect again");
    },
  };
  return tokens;
}

/** What an SDK says of a login that it refused. */
class Refusal extends ChatIdentityError {
  /** @param {unknown} cause @param {Signed | undefined} signed */
  constructor(cause, signed) {
    super("login_refused", "the operator checks the signing secret, its key id and the clock: the chat refuses this user's tokens", { cause });
    this.mayConflict = signed?.emailIncluded ?? false;
  }
}

/**
 * Logs in; where that is refused twice (once may be a passing failure), logs in without the email,
 * which cannot conflict, and reports the conflict, so that a later login carries the email again.
 * @param {Api} api
 * @param {ReturnType<typeof signer>} tokens
 * @param {(includeEmail: boolean) => Promise<Signed>} attempt fails with a `Refusal` where the SDK refuses
 * @param {() => unknown} leave the SDK's own logout
 * @returns {Promise<Session>}
 */
async function logIn(api, tokens, attempt, leave) {
  const logout = async () => {
    tokens.isOver = true;
    await leave();
  };
  /** @param {boolean} includeEmail @param {(refusal: Refusal) => Promise<Signed>} then */
  const attemptOr = (includeEmail, then) =>
    attempt(includeEmail).catch((error) => (error instanceof Refusal ? then(error) : Promise.reject(error)));
  let conflicts = false;
  const again = () =>
    attemptOr(true, (refusal) => {
      conflicts = refusal.mayConflict;
      return conflicts ? attempt(false) : Promise.reject(refusal);
    });
  const signed = await attemptOr(true, again).catch((error) => {
    // The visitor may have a conversation as a stranger, so the SDK is left as it is.
    tokens.isOver = true;
    throw error;
  });
  const outcome = conflicts ? "without_email" : signed.emailIncluded ? "with_email" : "no_email";
  /** @type {Session} */
  const session = { externalId: signed.externalId, outcome, conflict: null, reportError: null, logout };
  if (conflicts) {
    session.conflict = await ask(api, "POST", "/zendesk/conflicts").catch((error) => {
      session.reportError = error;
      return null;
    });
  }
  return session;
}

/**
 * Logs in to Zendesk messaging (the web widget).
 * @param {Api & { zE: (...call: any[]) => unknown, onError?: (error: ChatIdentityError) => void }} options
 *   `onError` hears of what fails after the login, when the widget wants another token.
 * @returns {Promise<Session>}
 */
export function connectZendesk({ zE, onError = () => {}, ...api }) {
  const tokens = signer(api);
  /** @param {boolean} includeEmail @returns {Promise<Signed>} */
  const attempt = (includeEmail) =>
    new Promise((resolve, reject) => {
      /** @type {Signed} */
      let signed;
      let isSettled = false;
      /** @param {ChatIdentityError} [error] */
      const settle = (error) => {
        if (isSettled && error && !tokens.isOver) onError(error);
        isSettled = true;
        clearTimeout(timer);
        error ? reject(error) : resolve(signed ?? tokens.sign(includeEmail));
      };
      const silence = new ChatIdentityError("login_unanswered", "check that the widget is loaded on this page: it did not answer");
      const timer = setTimeout(() => settle(silence), PATIENCE);
      // Called now, and again whenever the token has expired.
      const jwtCallback = (/** @type {(jwt: string) => void} */ hand) =>
        tokens.sign(includeEmail).then((fresh) => hand((signed = fresh).token)).catch(settle);
      zE("messenger", "loginUser", jwtCallback, (/** @type {unknown} */ error) =>
        settle(error ? new Refusal(error, signed) : undefined),
      );
    });
  return logIn(api, tokens, attempt, () => zE("messenger", "logoutUser"));
}

/**
 * Logs in with the legacy SDK (`Smooch`, the Web Messenger).
 * @param {Api & { Smooch: any, delegate?: object }} options `delegate` holds the site's own delegate
 *   methods; the SDK has room for one delegate only.
 * @returns {Promise<Session>}
 */
export function connectSmooch({ Smooch, delegate = {}, ...api }) {
  const tokens = signer(api);
  /** @param {boolean} includeEmail */
  const attempt = async (includeEmail) => {
    const signed = await tokens.sign(includeEmail);
    const onInvalidAuth = () => tokens.sign(includeEmail).then(({ token }) => token);
    Smooch.setDelegate({ ...delegate, onInvalidAuth });
    await Promise.resolve(Smooch.login(signed.externalId, signed.token)).catch((cause) => {
      throw new Refusal(cause, signed);
    });
    return signed;
  };
  return logIn(api, tokens, attempt, () => Smooch.logout());
}

/**
 * Puzzel: who chats. Use `exchange` where the page makes Puzzel's calls itself and so holds the PKCE
 * verifier; or `startChat` and `setIdentity`, where the function makes them and the page gets neither.
 * @param {Api & { tokenKind?: "accessToken" | "idToken", providerId?: number, visitorToken?: string }} options
 *   `tokenKind` names what `getIdpToken` gives, where that is not the function's `PUZZEL_TOKEN_KIND`.
 */
export function connectPuzzel({ tokenKind, providerId, visitorToken, ...api }) {
  const forwarded = async () => ({
    ...(tokenKind && { [tokenKind]: await api.getIdpToken?.() }),
    ...(providerId !== undefined && { providerId }),
  });
  const heldByServer = async () => ({ ...(await forwarded()), ...(visitorToken && { visitorToken }) });
  const path = (/** @type {string} */ id) => `/puzzel/conversations/${encodeURIComponent(id)}`;
  return {
    /** What Puzzel's start chat and set identity need, each once. @returns {Promise<{ userInfoId: string, codeVerifier: string }>} */
    async exchange() {
      const codeVerifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
      const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(codeVerifier));
      const codeChallenge = base64url(new Uint8Array(digest));
      const { userInfoId } = await ask(api, "POST", "/puzzel/identity", { ...(await forwarded()), codeChallenge });
      return { userInfoId, codeVerifier };
    },
    /** Puzzel's answer. @param {string} conversationId of your choice: a random UUID @param {string} queueKey @returns {Promise<any>} */
    async startChat(conversationId, queueKey) {
      const route = `${path(conversationId)}/route/${encodeURIComponent(queueKey)}`;
      return (await ask(api, "POST", route, await heldByServer())).conversation;
    },
    /** Tells Puzzel who a chat is with that began anonymously. @param {string} conversationId @returns {Promise<void>} */
    async setIdentity(conversationId) {
      await ask(api, "PUT", `${path(conversationId)}/identity`, await heldByServer());
    },
  };
}

/** RFC 7636, without padding. @param {Uint8Array} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
}
