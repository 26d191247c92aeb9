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

/** Title, sentence, section that it happens in, and what is done. @type {[string, string, string, () => Promise<unknown>][]} */
const STEPS = [
  ["Log in", "Somebody logs in at the shop, and the chat knows who it is, by a token that was signed for this user alone.", "account", async () => (account.somebodyElse(), account.login())],
  ["Write", "They ask where their parcel is, and the shop answers.", "chat", async () => {
    await account.firstWidget().write("Where is my parcel?");
    await account.firstWidget().answer("It comes on Friday!");
  }],
  ["Get a new id", "The shop changes its login, and gives them a new external_id. The email stays.", "account", account.newId],
  ["Log in again", "Zendesk says 409: the email is the old user's still. They are in at once all the same, without the email, and the conflict is reported. The chat is empty so far.", "account", account.login],
  ["A minute later", "The scheduled cleanup looks at both users, archives the old one and joins the two. The old conversation is back in the chat.", "chat", () => cleanup.run("A minute later: the cleanup", "merge")],
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

/** @param {number} now the step that is played; none with -1 */
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
  if (!signal.aborted) say(state, "That is all: a 409 that no one noticed, and no history lost. Every request of it is in the diagram.", "good");
  mark(signal.aborted ? -1 : STEPS.length);
  section.classList.remove("playing");
  button.textContent = "Play the two minutes";
  playing = null;
}

/** Sets the button going. */
export function start() {
  list.replaceChildren(...STEPS.map(([title, sentence]) => make("li", {}, make("b", {}, title), ` ${sentence}`)));
  button.addEventListener("click", () => {
    if (playing) playing.abort();
    else play();
  });
}
