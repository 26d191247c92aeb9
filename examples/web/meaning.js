/** The meaning of a request, in a few words for its row in the diagram. */

/** @param {any} token a decoded token */
const emailIn = (token) => (token?.claims?.email ? `with the email ${token.claims.email}` : "without an email");

/** The meaning of a request's response, by the request's title. @type {[RegExp, (call: any) => string][]} */
const MEANINGS = [
  [/^POST \/token/, ({ response }) => `the shop's ID token of ${response?.id_token?.claims?.sub ?? "its user"}`],
  [/^POST \/zendesk\/token/, ({ response }) => response?.token && `signed for ${response.externalId}, ${emailIn(response.token)}`],
  [/^POST \/zendesk\/conflicts/, ({ response }) => response?.state && `the conflict is ${response.state}`],
  [/^POST \/webhooks\/zendesk/, ({ request }) => `an event: ${String((request?.body ?? request)?.type ?? "").split(".").pop()?.replace(/_/g, " ")}`],
  [/^POST \/sc\/_login/, ({ status, response }) => (status === 409 ? "another user has the email" : response?.user && `${response.user.externalId ?? "a stranger"} is logged in`)],
  [/^POST \/sc\/_messages/, () => "a message"],
  [/^POST \/sc\/_logout/, () => "the visitor is a stranger now"],
  [/users\?filter%5Bidentities|users\?filter\[identities/, ({ response }) => `users with the email: ${(response?.users ?? []).map((/** @type {any} */ user) => user.externalId ?? "a stranger").join(", ") || "no one"}`],
  [/^GET .*\/users\/[^/?]+(\?|$)/, ({ status, response }) => (status === 404 ? "no such user" : response?.user && `the user ${response.user.externalId ?? "is a stranger"}`)],
  [/^DELETE .*personalinformation/, () => "the email is released"],
  [/appusers\/merge|\/sync$/, () => "the two users are merged"],
  [/^DELETE .*\/users\//, () => "the user is deleted"],
  [/^invoke clean-conflicts/, ({ response }) => response?.examined !== undefined && `${response.examined} examined, ${response.resolved} resolved`],
  [/^POST \/puzzel|\/api\/conversation/, ({ status }) => status < 300 && "a chat begins"],
  [/api\/authenticate/, () => "the token for an identity"],
  [/^(Put|Update)Item|^Transact/, ({ status }) => (status === 400 ? "it already exists" : "recorded")],
  [/^GetSecretValue/, () => "the secret, cached for five minutes"],
  [/^(Get|Query|Scan)/, () => "read"],
  [/^PUT \/archive/, () => "archived before any change"],
  [/^GET \/archive/, () => "read back"],
];

/** @param {any} call @returns {string} */
export function meaningOf(call) {
  if (call.status === null) return "";
  const found = MEANINGS.find(([title]) => title.test(call.title));
  const problem = call.status >= 400 && call.response?.code;
  return String((found && found[1](call)) || problem || "");
}

/**
 * Some refusals are expected: a conditional write of an item that already exists, and a request for a user
 * who no longer exists. @param {any} call
 */
export function isBad({ status, to, title, response }) {
  if (to === "aws" && /Conditional|TransactionCanceled/.test(JSON.stringify(response))) return false;
  return status >= 400 && !(status === 404 && isLookForUser(title));
}

/** @param {string} title */
const isLookForUser = (title) => /^GET .*\/users\/[^/?]+(\?|$)/.test(title);
