/** "Play the two minutes": the main story, one step at a time, with a sentence for each. */

import * as account from "./account.js";
import * as cleanup from "./cleanup.js";
import { byId, make, say } from "./dom.js";

/** Time to read a step before the next one begins, in milliseconds. */
const READING = 3500;
const button = byId("play", HTMLButtonElement);
const list = byId("steps", HTMLElement);
const state = byId("story-state", HTMLElement);
const section = byId("story", HTMLElement);

/** The title, sentence, section and action of each step. @type {[string, string, string, () => Promise<unknown>][]} */
const STEPS = [
  ["Log in", "A user logs in at the shop. The chat knows the user by a token that was signed for this user alone.", "account", async () => (account.somebodyElse(), account.login())],
  ["Write", "The user asks where the parcel is, and the shop answers.", "chat", async () => {
    await account.firstWidget().write("Where is my parcel?");
    await account.firstWidget().answer("It comes on Friday!");
  }],
  ["Get a new id", "The shop changes its login, and gives the user a new external_id. The email stays the same.", "account", account.newId],
  ["Log in again", "Zendesk returns 409, because the old user still has the email. The user is logged in at once anyway, without the email, and the conflict is reported. The chat is still empty.", "account", account.login],
  ["A minute later", "The scheduled cleanup checks both users, archives the old one and merges the two. The old conversation is back in the chat.", "chat", () => cleanup.run("A minute later: the cleanup", "merge")],
  ["Log in once more", "The email is back too, and nothing is lost.", "account", account.login],
];
/** @type {AbortController | null} */
let playing = null;

/** @param {number} ms @param {AbortSignal} signal */
const rest = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve(undefined)));
  });

/** @param {number} now the current step; -1 for none */
function mark(now) {
  list.querySelectorAll("li").forEach((item, index) => {
    item.classList.toggle("done", index < now);
    if (index === now) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  });
  for (const played of document.querySelectorAll("section.played")) played.classList.remove("played");
  const place = document.getElementById(STEPS[now]?.[2] ?? "");
  place?.classList.add("played");
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  place?.scrollIntoView({ block: "nearest", behavior: isCalm ? "auto" : "smooth" });
}

async function play() {
  playing = new AbortController();
  const { signal } = playing;
  button.textContent = "Stop";
  section.classList.add("playing");
  for (const [index, [title, sentence, , work]] of STEPS.entries()) {
    mark(index);
    say(state, `${index + 1} of ${STEPS.length}. ${title}: ${sentence}`);
    await work();
    await rest(READING, signal);
    if (signal.aborted) break;
  }
  if (!signal.aborted) say(state, "Done: no one noticed the 409, and no history was lost. The diagram shows every request.", "good");
  mark(signal.aborted ? -1 : STEPS.length);
  section.classList.remove("playing");
  button.textContent = "Play the two minutes";
  playing = null;
}

/** Connects the button to its action. */
export function start() {
  list.replaceChildren(...STEPS.map(([title, sentence]) => make("li", {}, make("b", {}, title), ` ${sentence}`)));
  button.addEventListener("click", () => {
    if (playing) playing.abort();
    else play();
  });
}
