/** A migration: fifty made-up users get a new id, and the cleanup processes the list of them. */

import { clean, show } from "./cleanup.js";
import { during } from "./diagram.js";
import { byId, make, onClick, say } from "./dom.js";
import { ask, digits } from "./local.js";

/** Time between two polls of the progress, in milliseconds. */
const PACE = 1000;
/** Users of the migration. From index `GONE` they do not exist at Zendesk; from index `TWICE` they exist twice. */
const [USERS, GONE, TWICE] = [50, 46, 48];
/** A run processes at most 25 pairs, so this is more than enough. */
const MOST_RUNS = 20;
const OPEN = ["pending", "in_progress", "confirming"];
/** @type {Record<string, string>} */
const WORDS = { resolved: "resolved", not_a_conflict: "not a conflict", needs_review: "for a person", failed: "failed", planned: "planned" };

const state = byId("migration-state", HTMLElement);
const bar = byId("migration-bar", HTMLProgressElement);
const counts = byId("migration-counts", HTMLElement);
const left = byId("migration-left", HTMLTableSectionElement);

/** @typedef {{ previous: string, current: string, email: string }} Move */

/** @returns {Move[]} */
function makeUp() {
  const number = digits(5);
  return Array.from({ length: USERS }, (_, index) => {
    const name = `${number}-${String(index + 1).padStart(2, "0")}`;
    return { previous: `old-${name}`, current: `new-${name}`, email: `user-${name}@example.com` };
  });
}

/** Adds a Zendesk user who signed up long ago. @param {string} externalId @param {string} email */
const addUser = (externalId, email) =>
  ask("POST", "/local/zendesk/sc/_control/users", {
    externalId,
    authenticated: true,
    signedUpAt: "2025-02-03T19:10:08.152Z",
    identities: [{ type: "email", value: email, verification: "embed" }],
    profile: { givenName: "User", surname: externalId, email },
  });

/** @param {Move[]} moves */
async function fillZendesk(moves) {
  await Promise.all(moves.slice(0, GONE).map(({ previous, email }) => addUser(previous, email)));
  const twice = moves.slice(TWICE);
  await Promise.all(twice.flatMap(({ previous, email }) => [addUser(previous, email), addUser(`${previous}-again`, email)]));
}

/** Invokes clean-conflicts, and throws its error. @param {object} event */
async function asked(event) {
  const { status, body } = await clean("merge", event);
  if (status !== 200) throw new Error(body?.error ?? `It failed with ${status}.`);
  return body;
}

/** Counts the pairs in each state. @param {any} progress @returns {[string, number][]} */
const counted = ({ states }) =>
  Object.entries(states).map(([name, reasons]) => [name, Object.values(reasons).reduce((sum, count) => sum + count, 0)]);

/** Draws the progress, and returns the number of open pairs. @param {any} progress */
function draw(progress) {
  const all = counted(progress);
  const open = all.filter(([name]) => OPEN.includes(name)).reduce((sum, [, count]) => sum + count, 0);
  bar.value = USERS - open;
  const shown = [...all.filter(([name]) => !OPEN.includes(name)), ...(open ? [/** @type {[string, number]} */ (["waiting", open])] : [])];
  counts.replaceChildren(...shown.map(([name, count]) => make("li", { className: name }, make("b", {}, String(count)), ` ${WORDS[name] ?? name}`)));
  return open;
}

/** @param {string} batch @param {AbortSignal} signal */
async function watch(batch, signal) {
  while (!signal.aborted) {
    draw(await asked({ action: "progress", batch }));
    await new Promise((resolve) => setTimeout(resolve, PACE));
  }
}

/** Runs the cleanup until no pair is open. @param {string} batch @param {number} taken */
async function workOff(batch, taken) {
  for (let runs = 1; runs <= MOST_RUNS; runs += 1) {
    say(state, `${taken} pairs are imported. Run ${runs} of the cleanup…`);
    const { stoppedBecause } = await asked({ action: "drain" });
    const progress = await asked({ action: "progress", batch });
    if (!draw(progress)) return progress;
    if (stoppedBecause === "another_run") await new Promise((resolve) => setTimeout(resolve, PACE));
  }
  throw new Error("Some pairs are not done yet: see the conflicts above.");
}

async function migrate() {
  const [moves, batch] = [makeUp(), `page-${digits(6)}`];
  const watching = new AbortController();
  byId("migration-progress", HTMLElement).hidden = false;
  [bar.max, bar.value] = [USERS, 0];
  counts.replaceChildren();
  left.replaceChildren();
  say(state, `Adding ${USERS} made-up users to Zendesk…`);
  try {
    await fillZendesk(moves);
    const pairs = moves.map(({ previous, current }) => [previous, current]);
    const { taken } = await asked({ action: "import", batch, pairs, by: "this page" });
    // An error here also occurs below.
    const looks = watch(batch, watching.signal).catch(() => {});
    const progress = await workOff(batch, taken).finally(() => watching.abort());
    await looks;
    draw(progress);
    left.replaceChildren(...progress.pairs.map(row));
    const words = counted(progress).map(([name, count]) => `${count} ${WORDS[name] ?? name}`);
    say(state, `Done: ${words.join(", ")}.`, "good");
  } catch (error) {
    say(state, error instanceof Error ? error.message : String(error), "bad");
  }
  await show();
}

/** @param {any} pair */
const row = ({ previousExternalId, currentExternalId, state, reason }) =>
  make("tr", {}, ...[previousExternalId, currentExternalId, state, reason ?? ""].map((text) => make("td", {}, String(text))));

/** Connects the button to its action. */
export function start() {
  onClick(byId("migrate", HTMLButtonElement), () => during(`A migration of ${USERS} users`, migrate, false));
}
