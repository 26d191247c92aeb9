/** The table of conflicts, the runs that clear them, and the operator's actions on a conflict. */

import { refresh } from "./account.js";
import { during } from "./diagram.js";
import { byId, make, onClick, say } from "./dom.js";
import { ask } from "./local.js";

const rows = byId("conflicts", HTMLTableSectionElement);
const state = byId("cleanup-state", HTMLElement);
const dialog = byId("shown", HTMLDialogElement);
const BY = "this page";
/** Maximum number of rows in the table. */
const ROWS = 20;
const rest = byId("conflicts-rest", HTMLElement);
/** The rows, by conflict id. @type {Map<string, { json: string, element: HTMLElement }>} */
let drawn = new Map();

/** Invokes clean-conflicts. @param {string} remedy @param {object} event */
export const clean = (remedy, event) => ask("POST", "/local/clean", { remedy, event });

/** Runs clean-conflicts, and shows the result. @param {string} title @param {string} remedy @param {object} event */
export async function run(title, remedy, event = { action: "drain" }) {
  say(state, "clean-conflicts is running…");
  const { status, body } = await during(title, () => clean(remedy, event));
  if (status !== 200) return say(state, body?.error ?? `It failed with ${status}.`, "bad");
  const { examined, resolved, planned, needsReview, notAConflict, requests, stoppedBecause } = body;
  const counts = { examined, resolved, planned, "not a conflict": notAConflict, "for a person to review": needsReview, "requests to Zendesk": requests };
  const text = Object.entries(counts).filter(([name, count]) => count || name === "examined").map(([name, count]) => `${name}: ${count}`);
  say(state, [...text, stoppedBecause ?? ""].filter(Boolean).join(", "), needsReview || stoppedBecause ? "" : "good");
  await Promise.all([show(), refresh()]);
}

/** Draws the latest conflicts, the newest first. An unchanged row stays, with its focus. */
export async function show() {
  const { body } = await ask("GET", "/local/conflicts");
  const conflicts = body.conflicts.sort((/** @type {any} */ a, /** @type {any} */ b) => b.updatedAt - a.updatedAt);
  const more = conflicts.length - ROWS;
  rest.textContent = more > 0 ? `and ${more} more that changed earlier` : "";
  const focused = document.activeElement?.closest("#conflicts tr");
  const focusedId = [...drawn].find(([, { element }]) => element === focused)?.[0];
  /** @type {typeof drawn} */
  const now = new Map();
  for (const conflict of conflicts.slice(0, ROWS)) {
    const [before, json] = [drawn.get(conflict.conflictId), JSON.stringify(conflict)];
    now.set(conflict.conflictId, before?.json === json ? before : { json, element: row(conflict) });
  }
  const elements = [...now.values()].map(({ element }) => element);
  if (elements.length === rows.children.length && elements.every((element, index) => element === rows.children[index])) return;
  const hadFocus = document.activeElement;
  rows.replaceChildren(...elements);
  drawn = now;
  if (!focusedId || !(hadFocus instanceof HTMLElement)) return;
  if (hadFocus.isConnected) hadFocus.focus();
  else now.get(focusedId)?.element.querySelector("button")?.focus();
}

/** @param {any} conflict */
function row({ conflictId, version, state, email = "", claimants, remedy = "", reason = "", updatedAt }) {
  const operator = make("td", { className: "operator" });
  /** @param {string} title @param {string} label @param {() => Promise<unknown>} work */
  const offer = (title, label, work) => {
    const button = make("button", { type: "button" }, title);
    button.setAttribute("aria-label", label);
    onClick(button, work);
    operator.append(button);
  };
  offer("Show", `Show the conflict over ${email}`, () => showOne(conflictId, email));
  if (state === "needs_review") {
    const event = { action: "approve", conflictId, version, remedy: "release-email", by: BY };
    offer("Approve a release", `Approve a release for ${email}`, () => run("Approve a release", "release-email", event));
  }
  if (state === "resolved" && remedy === "release-email") {
    const event = { action: "undo", conflictId, version, by: BY };
    offer("Undo", `Undo the release of ${email}`, () => run("Undo a release", "release-email", event));
  }
  const time = new Date(updatedAt).toLocaleTimeString();
  const cells = [state, email, claimants.join(", "), remedy, reason, time].map((text) => make("td", {}, String(text)));
  return make("tr", {}, ...cells, operator);
}

/** Shows all data of one conflict. @param {string} conflictId @param {string} email */
export async function showOne(conflictId, email) {
  const { status, body } = await during("Show a conflict", () => clean("merge", { action: "show", conflictId }));
  const [conflict] = status === 200 ? body.conflicts : [];
  if (!conflict) return say(state, body?.error ?? "This conflict no longer exists.", "bad");
  const facts = factsOf(conflict).filter(([, value]) => value);
  byId("shown-title", HTMLElement).textContent = `The conflict over ${email}`;
  byId("shown-facts", HTMLElement).replaceChildren(...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  dialog.showModal();
}

/** The data of a conflict, as names and texts. @param {any} conflict @returns {[string, string][]} */
function factsOf({ conflictId, version, state, reason, remedy, now, holder, claimants, lineages, ...other }) {
  const { attempts, nextTryAt, lastError, sentAt, archive, by, note, createdAt, updatedAt, endedAt, expiresAt } = other;
  return [
    ["id", conflictId],
    ["version", String(version)],
    ["state", words(state, reason)],
    ["remedy", words(remedy)],
    ["decision now, with merge allowed", words(now?.state, now?.remedy, now?.reason, now?.unknownBecause)],
    ["the email is held by", words(holder.externalId, holder.userId)],
    ...claimants.map((/** @type {any} */ one) => ["it is wanted by", words(one.externalId, one.source, time(one.lastAt))]),
    ...lineages.map((/** @type {any} */ one) => ["lineage", words(`${one.previous} became ${one.current}`, one.source, time(one.time))]),
    ["attempts", String(attempts)],
    ["next try", time(nextTryAt)],
    ["last error", words(lastError)],
    ["the remedy was sent", time(sentAt)],
    ...archive.map((/** @type {string} */ folder) => ["archived in", folder]),
    ["by", words(by)],
    ["note", words(note)],
    ["reported", time(createdAt)],
    ["changed", time(updatedAt)],
    ["ended", time(endedAt)],
    ["kept until", time(expiresAt)],
  ];
}

/** Joins the parts that are not empty with commas. @param {unknown[]} parts */
const words = (...parts) => parts.filter((part) => part !== null && part !== undefined && part !== "").join(", ");

/** Formats a time in milliseconds since 1970, or in seconds if the number is too small for milliseconds. @param {number | null} at */
const time = (at) => (at ? new Date(at < 1e11 ? at * 1000 : at).toLocaleString() : "");

/** Connects the buttons to their actions. */
export function start() {
  for (const button of document.querySelectorAll("[data-remedy]")) {
    if (!(button instanceof HTMLButtonElement)) continue;
    onClick(button, () => run(`Cleanup: ${button.textContent}`, button.dataset["remedy"] ?? ""));
  }
  byId("shown-close", HTMLButtonElement).addEventListener("click", () => dialog.close());
}
