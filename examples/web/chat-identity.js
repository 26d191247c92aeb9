/**
 * The browser side of chat-identity. It logs the users of a site in to its chat, and writes no token to
 * storage, to a URL or to the console.
 * @module
 */

/**
 * @typedef {import("./types.js").Session} Session
 * @typedef {import("./types.js").Puzzel} Puzzel
 * @typedef {import("./types.js").PuzzelOptions} PuzzelOptions
 * @typedef {import("./types.js").SmoochOptions} SmoochOptions
 * @typedef {import("./types.js").SmoochWidget} SmoochWidget
 * @typedef {import("./types.js").ZendeskOptions} ZendeskOptions
 * @typedef {import("./types.js").ZendeskWidget} ZendeskWidget
 */

const ADVICE = {
  forbidden: "check the authorizer's rules: it refused this user",
  insecure_context: "serve the page over https",
  invalid_options: "pass endpoint, the API's URL, and the SDK once it is loaded",
  logged_out: "connect again: this session has ended",
  login_refused: "ask the operator to check the signing secret, its key id and the clock: the chat refuses the token",
  login_unanswered: "check that the widget is loaded: it did not respond",
  logout_failed: "log out again: the chat may still show this user",
  no_idp_token: "log the user in first: getIdpToken returned no token",
  not_found: "check endpoint, the API's URL without a path, and that this part is deployed",
  too_many_requests: "wait, then try again",
  unauthenticated: "log the user in again: the API refuses the token from getIdpToken",
  unreachable: "check the network, endpoint and AllowedOrigins",
  upstream_error: "try again later; the function's log shows the cause",
  user_changed: "log out of the chat before another user logs in",
};

/** API Gateway's own responses have no `code`. */
const GATEWAY = { 401: "unauthenticated", 403: "forbidden", 404: "not_found", 429: "too_many_requests" };

/** `code` is stable, `message` is advice, and `cause` is the original error. None contains a token. */
export class ChatIdentityError extends Error {
  /** @param {string} code @param {string} [message] @param {{ status?: number, retryAfter?: number, cause?: unknown }} [more] */
  constructor(code, message = ADVICE[code], { status = 0, retryAfter = 0, cause } = {}) {
    super(message, { cause });
    this.name = "ChatIdentityError";
    this.code = code;
    /** The HTTP status; 0 if there was no response. */
    this.status = status;
    /** Seconds to wait before a retry; 0 if unknown. */
    this.retryAfter = retryAfter;
  }
}

const failure = (code, cause) =>
  cause instanceof ChatIdentityError ? cause : new ChatIdentityError(code, undefined, { cause });

/** Timeout of a request, of `getIdpToken`, and of each response of the widget, in milliseconds. */
const PATIENCE = 30_000;
/** Maximum attempts at a login. */
const TRIES = 4;
const HOUR = 3_600_000;

/** Resolves after `ms`, when a signal aborts, or when the network is back. */
const wait = (ms, signals, isForNetwork) =>
  new Promise((resolve) => {
    const ended = new AbortController();
    const end = () => {
      clearTimeout(timer);
      ended.abort();
      resolve(undefined);
    };
    const timer = setTimeout(end, ms);
    const until = { signal: ended.signal };
    for (const signal of signals) signal?.aborted ? end() : signal?.addEventListener("abort", end, until);
    if (isForNetwork) (globalThis.window ?? globalThis).addEventListener?.("online", end, until);
  });

/** Does `work`; rejects after the timeout, or when `over` aborts. */
async function within(over, work) {
  const done = new AbortController();
  const late = wait(PATIENCE, [over, done.signal]).then(() => Promise.reject(new Error("no response")));
  return Promise.race([late, (async () => work(done.signal))()]).finally(() => done.abort());
}

/** Returns the ID token, or nothing if the login is a cookie. @param {import("./types.js").Api} api */
async function idTokenOf({ getIdpToken }, fresh, over = /** @type {any} */ (undefined)) {
  if (!getIdpToken) return;
  const token = await within(over, () => (fresh ? getIdpToken({ fresh }) : getIdpToken())).catch((cause) => {
    throw failure("no_idp_token", cause);
  });
  return token || Promise.reject(failure("no_idp_token"));
}

/** Sends one request. The response must have all the `keys`. */
async function send({ endpoint, getIdpToken }, idToken, over, keys, method, path, body) {
  if (typeof endpoint !== "string" || !endpoint) throw failure("invalid_options");
  const headers = { "content-type": "application/json" };
  if (idToken) headers.authorization = `Bearer ${idToken}`;
  const credentials = getIdpToken ? "omit" : "include";
  /** @type {RequestInit} */
  const request = { method, headers, body: JSON.stringify(body(idToken)), cache: "no-store", redirect: "error", credentials };
  const [response, json] = await within(over, async (signal) => {
    const response = await fetch(endpoint.replace(/\/+$/, "") + path, { ...request, signal });
    // A body that is not JSON is not a network failure; a body that breaks off is.
    return [response, await response.json().catch((error) => (error.name === "SyntaxError" ? null : Promise.reject(error)))];
  }).catch((cause) => {
    throw failure("unreachable", cause);
  });
  const { ok, status } = response;
  if (ok && keys.every((key) => json?.[key])) return json;
  const { code, detail = ADVICE[code] } = typeof json?.code === "string" ? json : { code: GATEWAY[status] ?? "upstream_error" };
  const after = response.headers.get("retry-after") ?? "";
  // Seconds, or a date.
  const retryAfter = Math.max(0, Number(after) || Math.ceil((Date.parse(after) - Date.now()) / 1000) || 0);
  throw new ChatIdentityError(code, detail, { status, retryAfter });
}

/** Sends a request with the user's ID token. Retries once after a 401, with a fresh token. */
async function ask(api, idToken, over, ...request) {
  const once = async (fresh) => {
    const token = await idToken(fresh);
    if (over?.aborted) throw failure("logged_out");
    return send(api, token, over, ...request);
  };
  return once(false).catch((error) => (error.status === 401 && api.getIdpToken ? once(true) : Promise.reject(error)));
}

/** Returns a check whether a token is valid for another minute, by its age: the visitor's clock may be wrong. */
function freshness({ token, expiresAt }) {
  let life = expiresAt * 1000 - Date.now();
  try {
    const { iat, exp } = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
    life = (exp - iat) * 1000 || life;
  } catch {}
  const [date, monotonic] = [Date.now(), performance.now()];
  // The clock may be set back, and the monotonic clock may stop while the machine sleeps.
  return () => life - Math.max(Date.now() - date, performance.now() - monotonic) > 60_000;
}

/** Returns the conflict that this tab has reported for a user. First stores `conflict`; null removes it. */
function remembered(externalId, conflict) {
  const key = `chat-identity.conflict.${externalId}`;
  try {
    if (conflict) sessionStorage.setItem(key, JSON.stringify(conflict));
    else if (conflict === null) sessionStorage.removeItem(key);
    const kept = JSON.parse(sessionStorage.getItem(key) ?? "{}");
    // A tab may stay open for weeks: the email is tried again after a day.
    if (Date.now() - kept.since < 24 * HOUR) return kept;
  } catch {} // Storage may be forbidden.
  return undefined;
}

/** Zendesk has no list of reasons, so only clear reasons count: temporary failures, and refusals unrelated to the email. */
function meaning(cause) {
  const reason = String(cause?.reason);
  if (/\b409\b|conflict/i.test(reason)) return "";
  if (/\b(429|5\d\d)\b|unavailable|too.?many|timed?.?out|gateway|internal|network|fetch/i.test(reason)) return "outage";
  return /\b40[13]\b|invalid.?(auth|token|jwt|signature)|unauthori|forbidden|expired/i.test(reason) ? "token" : "";
}

/** The newest session of each SDK on the page. */
const widgets = new WeakMap();

/**
 * Logs in. After two refusals (one may be a temporary failure), logs in without the email, which cannot
 * conflict, and reports the conflict, so that a later login has the email again.
 * `login` is the SDK's login: it calls `give` for each token, and `answered` with the result.
 */
function connect(key, options, login, logout) {
  const { endpoint, getIdpToken, signal, onError, onSession } = options;
  const widget = widgets.get(key) ?? { mayHold: false, left: null, newest: null };
  widgets.set(key, widget);
  const over = new AbortController();
  /** The token requests under way, and the last tokens, by `includeEmail`. */
  const [flights, kept] = [new Map(), new Map()];
  let [externalId, idToken, includeEmail] = ["", "", true];
  /** `isLate`: the promise was rejected because the widget did not respond, but the login goes on. */
  let [isIn, isLate, isOwed, isInDoubt] = [false, false, false, false];
  let known, handed, silence, attempt, reject, result;
  const isEndless = () => isIn || isLate;

  /** These two are not awaited: a handler that throws must not end the session. */
  const tell = async (error) => {
    isInDoubt = true;
    onError?.(error);
  };
  const tellSession = async () => {
    if (!isInDoubt || !result || over.signal.aborted) return;
    isInDoubt = false;
    onSession?.(result);
  };
  const leave = () => {
    widget.mayHold = false;
    const left = (async () => void (await logout()))().catch((cause) => {
      widget.mayHold = true;
      throw failure("logout_failed", cause);
    });
    widget.left = left.catch(tell);
    return left;
  };
  const end = (error = failure("logged_out")) => {
    if (over.signal.aborted) return;
    over.abort();
    signal?.removeEventListener("abort", stop);
    reject(error);
    if (widget.mayHold) return leave();
  };
  const stop = () => void end()?.catch(() => {});

  /** Retries temporary failures: a few times, or until the session ends. */
  const again = async (request, isEndless) => {
    for (let tries = 1; ; tries += 1) {
      try {
        if (over.signal.aborted) throw failure("logged_out");
        return await request();
      } catch (cause) {
        const error = failure("upstream_error", cause);
        if (over.signal.aborted) throw failure("logged_out");
        // Without a network the site's own getIdpToken fails too.
        const isOffline = error.code === "unreachable" || (error.code === "no_idp_token" && error.cause && isEndless());
        if ((!isOffline && ![429, 502, 503, 504].includes(error.status)) || (tries >= TRIES && !isEndless())) throw error;
        if (tries === 1 && isEndless()) tell(error);
        await pause(error.retryAfter, tries);
      }
    }
  };
  /** Without `seconds`, waits for a jittered back-off or until the network is back. */
  const pause = (seconds, tries) => {
    const backOff = Math.min(30, 2 ** (tries - 1)) * (0.5 + Math.random() / 2);
    return wait(Math.min(seconds || backOff, 3600) * 1000, [over.signal], !seconds);
  };

  const fetchToken = async (includeEmail, isFresh = false) => {
    let used = "";
    const bearer = async (fresh) => (used = await idTokenOf(options, fresh || isFresh, over.signal));
    const body = () => (includeEmail ? {} : { includeEmail });
    const signed = await ask(options, bearer, over.signal, ["token", "externalId"], "POST", "/zendesk/token", body);
    externalId ||= signed.externalId;
    if (signed.externalId !== externalId) throw failure("user_changed");
    idToken = used;
    kept.set(includeEmail, { signed, isGood: freshness(signed) });
    return signed;
  };
  const sign = async (includeEmail) => {
    const last = kept.get(includeEmail);
    if (last?.isGood()) return last.signed;
    if (!flights.has(includeEmail)) {
      const flight = again(() => fetchToken(includeEmail), isEndless).finally(() => flights.delete(includeEmail));
      flights.set(includeEmail, flight);
    }
    return flights.get(includeEmail);
  };

  /** Starts the timeout of the widget's response. */
  const waits = () => {
    clearTimeout(silence);
    if (isIn) return;
    silence = setTimeout(() => {
      isLate = isInDoubt = true;
      reject(failure("login_unanswered"));
    }, PATIENCE);
  };
  const failed = (error) => {
    if (over.signal.aborted) return;
    if (isIn || !attempt || (isLate && error.code !== "login_refused")) tell(error);
    else attempt.reject(error);
  };
  /** Hands a token to the SDK. */
  const give = async (hand, isRefused) => {
    clearTimeout(silence);
    if (isRefused) kept.delete(includeEmail);
    try {
      let signed = await sign(includeEmail);
      if (includeEmail && signed.emailIncluded && !isIn && (known = remembered(externalId))) {
        includeEmail = false;
        signed = await sign(false);
      }
      waits();
      await widget.left;
      if (over.signal.aborted) throw failure("logged_out");
      widget.mayHold = isOwed = true;
      hand((handed = signed));
      tellSession();
    } catch (cause) {
      const error = failure("login_refused", cause);
      failed(error);
      throw error;
    }
  };
  /** Called with the SDK's response to a login. */
  const answered = (error) => {
    clearTimeout(silence);
    const wasOwed = isOwed;
    isOwed = false;
    if (over.signal.aborted) {
      // Too late: the widget belongs to the newest session.
      if (wasOwed && !error) leave().catch(() => {});
      if (wasOwed) widget.newest.begin();
    } else if (error) {
      // After a refused first login the visitor is a stranger, and a logout would delete the conversation.
      widget.mayHold = isIn;
      kept.delete(includeEmail);
      const advice = meaning(error) === "outage" ? "try again later: the chat is not available" : undefined;
      failed(new ChatIdentityError("login_refused", advice, { cause: error }));
    } else {
      widget.mayHold = true;
      attempt?.resolve(handed ?? sign(includeEmail));
    }
  };
  const begin = () => {
    if (over.signal.aborted) return;
    isOwed = true;
    waits();
    try {
      login(give, answered);
    } catch (cause) {
      answered(cause ?? failure("login_refused"));
    }
  };

  const logIn = async () => {
    for (let tries = 1, refusals = 0; ; tries += 1) {
      try {
        return await new Promise((resolve, reject) => {
          attempt = { resolve, reject };
          begin();
        });
      } catch (error) {
        if (error.code !== "login_refused") throw error;
        const means = meaning(error.cause);
        if (means === "outage" && (tries < TRIES || isLate)) {
          await pause(0, tries);
          continue;
        }
        refusals += 1;
        if (means === "outage" || refusals > 2 || (refusals === 2 && (means || !handed?.emailIncluded))) throw error;
        if (refusals === 1) await pause(0.6, 1);
        else includeEmail = false;
      }
    }
  };
  const report = async (session) => {
    if (known) session.conflict = { conflictId: known.conflictId, state: known.state };
    if (known && Date.now() - known.at < HOUR) return;
    // Reports as the user of the chat, even if another user is logged in at the site now.
    const bearer = async (fresh) => {
      if (fresh) await fetchToken(false, true);
      return idToken;
    };
    try {
      const request = () => ask(options, bearer, over.signal, ["conflictId"], "POST", "/zendesk/conflicts", () => ({}));
      const conflict = (session.conflict = await again(request, () => false));
      remembered(externalId, { ...conflict, since: known?.since ?? Date.now(), at: Date.now() });
    } catch (error) {
      session.reportError = failure("upstream_error", error);
    }
  };
  const session = { begin, stop };
  return new Promise((resolve, fail) => {
    reject = fail;
    widget.newest?.stop();
    // Retries a failed logout: the previous user must not stay logged in.
    if (widget.mayHold) leave().catch(() => {});
    widget.newest = session;
    if (typeof endpoint !== "string" || !endpoint || (getIdpToken && typeof getIdpToken !== "function")) return void end(failure("invalid_options"));
    if (signal?.aborted) return void end();
    signal?.addEventListener("abort", stop);
    logIn().then(async ({ emailIncluded }) => {
      isIn = true;
      const made = {
        externalId,
        outcome: !includeEmail ? "without_email" : emailIncluded ? "with_email" : "no_email",
        conflict: null,
        reportError: null,
        async logout() {
          if (widget.newest !== session) return;
          remembered(externalId, null);
          await (over.signal.aborted && widget.mayHold ? leave() : end());
        },
      };
      if (!includeEmail) await report(made);
      else remembered(externalId, null);
      resolve((result = made));
      tellSession();
    }).catch((error) => {
      if (isLate && !over.signal.aborted) tell(error);
      end(error)?.catch(() => {});
    });
  });
}

/** Tracks the window's own SDK by name, because the loaded SDK replaces its loader. */
function sdkOf(name, given) {
  const page = globalThis;
  return given === page[name] ? [(PAGE[name] ??= {}), () => page[name] ?? given] : [given, () => given];
}
const PAGE = {};

/** Logs in to Zendesk messaging (the web widget), and ends the previous session. @param {ZendeskOptions} options @returns {Promise<Session>} */
export async function connectZendesk(options) {
  if (typeof options?.zE !== "function") throw failure("invalid_options");
  const [key, zE] = sdkOf("zE", options.zE);
  return connect(
    key,
    options,
    // The widget calls the callback for the login, and again whenever it needs a token.
    (give, answered) =>
      zE()("messenger", "loginUser", (hand) => void give(({ token }) => hand(token)).catch(() => {}), answered),
    () => zE()("messenger", "logoutUser"),
  );
}

/** Logs in with the legacy SDK (the Web Messenger), and ends the previous session. @param {SmoochOptions} options @returns {Promise<Session>} */
export async function connectSmooch(options) {
  if (typeof options?.Smooch?.login !== "function") throw failure("invalid_options");
  const [key, Smooch] = sdkOf("Smooch", options.Smooch);
  return connect(
    key,
    options,
    (give, answered) => {
      const onInvalidAuth = async () => {
        let jwt = "";
        await give(({ token }) => (jwt = token), true);
        return jwt;
      };
      const logIn = async ({ externalId, token }) => {
        try {
          Smooch().setDelegate({ ...options.delegate, onInvalidAuth });
          await Smooch().login(externalId, token);
          answered();
        } catch (cause) {
          answered(cause ?? failure("login_refused"));
        }
      };
      give(logIn).catch(() => {});
    },
    () => Smooch().logout(),
  );
}

/** Returns the calls that identify a user at Puzzel. @param {PuzzelOptions} options @returns {Puzzel} */
export function connectPuzzel(options) {
  const { tokenKind, providerId, visitorToken, ...api } = options ?? {};
  const visitor = visitorToken && { visitorToken };
  const call = async (keys, method, parts, more) => {
    const body = (idToken) => ({
      ...(tokenKind && idToken && { [tokenKind]: idToken }),
      ...(providerId !== undefined && { providerId }),
      ...more,
    });
    try {
      const path = ["/puzzel", ...parts.map(encodeURIComponent)].join("/");
      return await ask(api, (fresh) => idTokenOf(api, fresh), undefined, keys, method, path, body);
    } catch (cause) {
      throw failure("invalid_options", cause);
    }
  };
  return {
    async exchange() {
      if (!globalThis.crypto?.subtle) throw failure("insecure_context");
      const codeVerifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
      const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(codeVerifier));
      const codeChallenge = base64url(new Uint8Array(digest));
      const { userInfoId } = await call(["userInfoId"], "POST", ["identity"], { codeChallenge });
      return { userInfoId, codeVerifier };
    },
    async startChat(conversationId, queueKey) {
      const json = await call([], "POST", ["conversations", conversationId, "route", queueKey], visitor);
      if (json?.conversation === undefined) throw failure("upstream_error");
      return json.conversation;
    },
    async setIdentity(conversationId) {
      await call([], "PUT", ["conversations", conversationId, "identity"], visitor);
    },
  };
}

/** Base64url without padding, as in RFC 7636. */
function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
}
