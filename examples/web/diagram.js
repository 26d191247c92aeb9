/** The sequence diagram: every call of the stack, drawn as it comes. */

import { byId, make } from "./dom.js";
import { ask } from "./local.js";

const LANES = ["page", "login", "functions", "aws", "zendesk", "puzzel"];
const list = byId("diagram", HTMLElement);
/** The drawn calls by number. @type {Map<number, HTMLElement>} */
const drawn = new Map();
let version = 0;

/** Draws what is new; tells whether anything was. */
export async function show() {
  const { body } = await ask("GET", `/local/calls?after=${version}`);
  // A stack that was started anew counts from the beginning.
  version = body.version < version ? 0 : body.version;
  const isAtEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 40;
  for (const call of body.calls) draw(call);
  if (isAtEnd) list.scrollTop = list.scrollHeight;
  return body.calls.length > 0;
}

/** @param {any} call */
function draw({ number, from, to, title, took, status, request, answer }) {
  const [start, end] = [LANES.indexOf(from), LANES.indexOf(to)];
  const arrow = make("span", { className: `arrow ${start < end ? "right" : "left"}` });
  // Style sheets are allowed to this page, style attributes are not; properties set here are fine.
  arrow.style.gridColumn = `${Math.min(start, end) + 1} / ${Math.max(start, end) + 2}`;
  arrow.style.setProperty("--span", String(Math.abs(end - start) + 1));
  const outcome = make("span", { className: "outcome" }, make("b", {}, status === null ? "…" : String(status)));
  if (took !== null) outcome.append(` ${took < 10 ? took.toFixed(1) : Math.round(took)} ms`);
  const route = make("span", { className: "route" }, `${from} → ${to}`);
  const summary = make("summary", {}, route, make("code", { className: "title" }, title), arrow, outcome);
  const sent = make("pre", { tabIndex: 0 }, `sent: ${JSON.stringify(request, null, 2)}\n\nanswered: ${JSON.stringify(answer, null, 2)}`);
  const before = drawn.get(number);
  const isOpen = before?.querySelector("details")?.open ?? false;
  const item = make("li", { className: status >= 400 ? "bad" : "" }, make("details", { open: isOpen }, summary, sent));
  if (before) before.replaceWith(item);
  else list.append(item);
  drawn.set(number, item);
}

/** Sets the button going. */
export function start() {
  byId("clear", HTMLButtonElement).addEventListener("click", () => {
    list.replaceChildren();
    drawn.clear();
  });
}
