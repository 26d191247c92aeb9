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
  [/^DELETE .*personalinformation/, () => "the email is released"],
  [/appusers\/merge|\/sync$/, () => "the two users become one"],
  [/^DELETE .*\/users\//, () => "the user is deleted"],
  [/^invoke clean-conflicts/, ({ answer }) => answer?.examined !== undefined && `${answer.examined} examined, ${answer.resolved} resolved`],
  [/^POST \/puzzel|\/api\/conversation/, ({ status }) => status < 300 && "a chat begins"],
  [/api\/authenticate/, () => "the token for an identity"],
  [/^(Put|Update)Item|^Transact/, ({ status }) => (status === 400 ? "it is there already" : "recorded")],
  [/^(Get|Query|Scan)/, () => "looked up"],
  [/^GetSecretValue/, () => "the secret, kept for five minutes"],
  [/^PUT \/archive/, () => "archived before anything is changed"],
];

/** @param {any} call @returns {string} */
export function meaningOf(call) {
  if (call.status === null) return "";
  const found = MEANINGS.find(([title]) => title.test(call.title));
  const problem = call.status >= 400 && call.answer?.code;
  return String((found && found[1](call)) || problem || "");
}

/** A conditional write that loses is as it should be: the item is there already. @param {any} call */
export const isBad = ({ status, to, answer }) => status >= 400 && !(to === "aws" && /Conditional|TransactionCanceled/.test(JSON.stringify(answer)));
