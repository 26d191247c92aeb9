/** The table of conflicts, and the runs that clear them. */

import { refresh } from "./account.js";
import { during } from "./diagram.js";
import { byId, make, onClick, say } from "./dom.js";
import { ask } from "./local.js";

const rows = byId("conflicts", HTMLTableSectionElement);
const state = byId("cleanup-state", HTMLElement);
let shown = "";

/** Runs clean-conflicts. @param {string} title @param {string} remedy @param {object} event */
export async function run(title, remedy, event = { action: "drain" }) {
  say(state, "clean-conflicts runs…");
  const { status, body } = await during(title, () => ask("POST", "/local/clean", { remedy, event }));
  if (status !== 200) return say(state, body?.error ?? `It failed with ${status}.`, "bad");
  const { examined, resolved, planned, needsReview, notAConflict, requests, stoppedBecause } = body;
  const counts = { examined, resolved, planned, "not a conflict": notAConflict, "for a person to review": needsReview, "requests to Zendesk": requests };
  const text = Object.entries(counts).filter(([name, count]) => count || name === "examined").map(([name, count]) => `${name}: ${count}`);
  say(state, [...text, stoppedBecause ?? ""].filter(Boolean).join(", "), needsReview || stoppedBecause ? "" : "good");
  await Promise.all([show(), refresh()]);
}

/** Draws the conflicts, the latest first, if they have changed. */
export async function show() {
  const { body } = await ask("GET", "/local/conflicts");
  const conflicts = body.conflicts.sort((/** @type {any} */ a, /** @type {any} */ b) => b.updatedAt - a.updatedAt);
  if (JSON.stringify(conflicts) === shown) return;
  shown = JSON.stringify(conflicts);
  rows.replaceChildren(...conflicts.map(row));
}

/** @param {any} conflict */
function row({ conflictId, version, state, email = "", claimants, remedy = "", reason = "", updatedAt }) {
  const operator = make("td");
  if (state === "needs_review") {
    const button = make("button", { type: "button" }, "Approve a release");
    button.setAttribute("aria-label", `Approve a release for ${email}`);
    onClick(button, () => run("Approve a release", "release-email", { action: "approve", conflictId, version, remedy: "release-email", by: "this page" }));
    operator.append(button);
  }
  const time = new Date(updatedAt).toLocaleTimeString();
  const cells = [state, email, claimants.join(", "), remedy, reason, time].map((text) => make("td", {}, String(text)));
  return make("tr", {}, ...cells, operator);
}

/** Sets the buttons going. */
export function start() {
  for (const button of document.querySelectorAll("[data-remedy]")) {
    if (!(button instanceof HTMLButtonElement)) continue;
    onClick(button, () => run(`Cleanup: ${button.textContent}`, button.dataset["remedy"] ?? ""));
  }
}
