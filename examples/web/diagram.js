/** The sequence diagram: every request of the stack as it happens, grouped by the visitor's actions. */

import { byId, make } from "./dom.js";
import { ask } from "./local.js";
import { isBad, meaningOf } from "./meaning.js";

const LANES = ["page", "login", "functions", "aws", "zendesk", "puzzel"];
const list = byId("diagram", HTMLElement);
/** The groups, the newest last. Each begins with the number of its first call. @type {Group[]} */
let groups = [];
let version = 0;
let last = 0;
/** The poll under way. @type {Promise<boolean> | null} */
let polling = null;

/** The requests of one action. */
class Group {
  #calls = make("ol", { className: "calls" });
  #sum = make("span", { className: "sum" });
  /** @type {Map<number, { item: HTMLElement, call: any }>} */
  #drawn = new Map();
  element;

  /** @param {string} title @param {number} first @param {boolean} [isOpen] */
  constructor(title, first, isOpen = true) {
    this.first = first;
    const summary = make("summary", { className: "row" }, make("b", {}, title), this.#sum);
    this.element = make("li", { className: "group" }, make("details", { open: isOpen }, summary, this.#calls));
  }

  /** @param {any} call */
  draw(call) {
    const before = this.#drawn.get(call.number);
    const item = row(call, before?.item.querySelector("details")?.open ?? false);
    if (before) replace(before.item, item);
    else this.#calls.append(item);
    this.#drawn.set(call.number, { item, call });
    const calls = [...this.#drawn.values()].map((one) => one.call);
    const end = Math.max(...calls.map(({ at, took }) => at + (took ?? 0)));
    this.#sum.textContent = `${calls.length} ${calls.length === 1 ? "request" : "requests"}, ${time(end - calls[0].at)}`;
  }
}

/** Replaces a row, and keeps its focus. @param {HTMLElement} before @param {HTMLElement} now */
function replace(before, now) {
  const hadFocus = before.contains(document.activeElement);
  const stop = before.querySelector("summary")?.tabIndex;
  before.replaceWith(now);
  const summary = now.querySelector("summary");
  if (summary && stop === 0) summary.tabIndex = 0;
  if (hadFocus) summary?.focus();
}

/** @param {number} ms */
const time = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** @param {any} call @param {boolean} isOpen */
function row(call, isOpen) {
  const { from, to, title, took, status, request, response } = call;
  const [start, end] = [LANES.indexOf(from), LANES.indexOf(to)];
  const arrow = make("span", { className: `arrow ${start < end ? "right" : "left"}` });
  // The page's policy allows style sheets but no style attributes; properties set by a script are allowed.
  arrow.style.gridColumn = `${Math.min(start, end) + 1} / ${Math.max(start, end) + 2}`;
  arrow.style.setProperty("--span", String(Math.abs(end - start) + 1));
  const meaning = meaningOf(call);
  const label = make("span", { className: "label" }, make("code", { className: "title" }, title));
  if (meaning) label.append(" ", make("span", { className: "meaning" }, meaning));
  const outcome = make("span", { className: "outcome" }, make("b", {}, status === null ? "…" : String(status)));
  if (took !== null) outcome.append(` ${time(took)}`);
  const route = make("span", { className: "route" }, `${from} → ${to} `);
  const summary = make("summary", { className: "row call", tabIndex: -1 }, route, label, arrow, outcome);
  const sent = make("pre", { tabIndex: 0 }, `request: ${JSON.stringify(request, null, 2)}\n\nresponse: ${JSON.stringify(response, null, 2)}`);
  return make("li", { className: status !== null && isBad(call) ? "bad" : "" }, make("details", { open: isOpen }, summary, sent));
}

/** Draws new calls, and returns whether there were any. Only one poll runs at a time. */
export function show() {
  polling ??= poll().finally(() => (polling = null));
  return polling;
}

async function poll() {
  const { body } = await ask("GET", `/local/calls?after=${version}`);
  if (body.version < version) {
    // A restarted stack counts from the beginning.
    [version, last] = [0, 0];
    clear();
    return poll();
  }
  version = body.version;
  for (const call of body.calls) {
    last = Math.max(last, call.number);
    groups.findLast((group) => group.first <= call.number)?.draw(call);
  }
  return body.calls.length > 0;
}

/** Begins a group for an action of the visitor, and does the action. @template T @param {string} title @param {() => Promise<T>} work @param {boolean} [isOpen] @returns {Promise<T>} */
export async function during(title, work, isOpen = true) {
  // Earlier calls belong to the previous group.
  await show().catch(() => {});
  begin(new Group(title, last + 1, isOpen));
  return work().finally(() => show().catch(() => {}));
}

/** @param {Group} group */
function begin(group) {
  groups.push(group);
  list.prepend(group.element);
  for (const summary of list.querySelectorAll("summary.row")) if (summary instanceof HTMLElement) summary.tabIndex = -1;
  const first = group.element.querySelector("summary");
  if (first) first.tabIndex = 0;
}

/** Polls before it clears, so that earlier calls are not drawn later. */
async function clearAll() {
  await show().catch(() => {});
  clear();
}

function clear() {
  list.replaceChildren();
  groups = [];
  begin(new Group("From now on", last + 1));
}

/** The list is one stop for the Tab key; the arrow keys move between its rows. @param {KeyboardEvent} event */
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !(event.target instanceof HTMLElement) || event.target.tagName !== "SUMMARY") return;
  const rows = [...list.querySelectorAll("summary.row")].filter((it) => it instanceof HTMLElement && it.checkVisibility());
  const next = rows[rows.indexOf(event.target) + step];
  if (!(next instanceof HTMLElement)) return;
  event.preventDefault();
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

/** Starts the diagram. */
export function start() {
  begin(new Group("Earlier", 0, false));
  byId("clear", HTMLButtonElement).addEventListener("click", clearAll);
  list.addEventListener("keydown", walk);
}
