/** What a request means, in a few words for its row in the diagram. */

/** @param {any} token a decoded one */
const emailIn = (token) => (token?.claims?.email ? `with the email ${token.claims.email}` : "without an email");

/** By the request's title: what its response tells. @type {[RegExp, (call: any) => string][]} */
const MEANINGS = [
  [/^POST \/token/, ({ answer }) => `the shop's ID token of ${answer?.id_token?.claims?.sub ?? "its user"}`],
  [/^POST \/zendesk\/token/, ({ answer }) => answer?.token && `signed for ${answer.externalId}, ${emailIn(answer.token)}`],
  [/^POST \/zendesk\/conflicts/, ({ answer }) => answer?.state && `the conflict is ${answer.state}`],
  [/^POST \/webhooks\/zendesk/, ({ request }) => `an event: ${String((request?.body ?? request)?.type ?? "").split(".").pop()?.replace(/_/g, " ")}`],
  [/^POST \/sc\/_login/, ({ status, answer }) => (status === 409 ? "the email is another user's" : answer?.user && `${answer.user.externalId ?? "a stranger"} is in`)],
  [/^POST \/sc\/_messages/, () => "a message"],
  [/^POST \/sc\/_logout/, () => "a stranger from here on"],
  [/users\?filter%5Bidentities|users\?filter\[identities/, ({ answer }) => `who has the email? ${(answer?.users ?? []).map((/** @type {any} */ user) => user.externalId ?? "a stranger").join(", ") || "no one"}`],
  [/^GET .*\/users\/[^/?]+(\?|$)/, ({ status, answer }) => (status === 404 ? "no such user" : answer?.user && `the user ${answer.user.externalId ?? "is a stranger"}`)],
  [/^DELETE .*personalinformation/, () => "the email is released"],
  [/appusers\/merge|\/sync$/, () => "the two users become one"],
  [/^DELETE .*\/users\//, () => "the user is deleted"],
  [/^invoke clean-conflicts/, ({ answer }) => answer?.examined !== undefined && `${answer.examined} examined, ${answer.resolved} resolved`],
  [/^POST \/puzzel|\/api\/conversation/, ({ status }) => status < 300 && "a chat begins"],
  [/api\/authenticate/, () => "the token for an identity"],
  [/^(Put|Update)Item|^Transact/, ({ status }) => (status === 400 ? "it is there already" : "recorded")],
  [/^GetSecretValue/, () => "the secret, kept for five minutes"],
  [/^(Get|Query|Scan)/, () => "looked up"],
  [/^PUT \/archive/, () => "archived before anything is changed"],
  [/^GET \/archive/, () => "read back"],
];

/** @param {any} call @returns {string} */
export function meaningOf(call) {
  if (call.status === null) return "";
  const found = MEANINGS.find(([title]) => title.test(call.title));
  const problem = call.status >= 400 && call.answer?.code;
  return String((found && found[1](call)) || problem || "");
}

/**
 * Some refusals are as they should be: a conditional write that finds the item there already, and a look
 * for a user who is gone. @param {any} call
 */
export function isBad({ status, to, title, answer }) {
  if (to === "aws" && /Conditional|TransactionCanceled/.test(JSON.stringify(answer))) return false;
  return status >= 400 && !(status === 404 && isLookForUser(title));
}

/** @param {string} title */
const isLookForUser = (title) => /^GET .*\/users\/[^/?]+(\?|$)/.test(title);
