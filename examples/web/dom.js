/** The little that the page needs of the document. Everything shown goes in as text, never as HTML. */

/**
 * The element with an id, of the kind that is expected.
 * @template {HTMLElement} T
 * @param {string} id @param {new () => T} kind @returns {T}
 */
export function byId(id, kind) {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new TypeError(`the page has no ${kind.name} #${id}`);
}

/**
 * A new element with its properties and what is in it.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Partial<HTMLElementTagNameMap[T]>} [properties] @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** A button that does one thing at a time. @param {HTMLButtonElement} button @param {() => Promise<void>} work */
export function onClick(button, work) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    await work().finally(() => (button.disabled = false));
  });
}

/** Says what happened, in words. @param {HTMLElement} place @param {string} text @param {"" | "good" | "bad"} [mood] */
export function say(place, text, mood = "") {
  place.textContent = text;
  place.className = `state ${mood}`;
}

/** @param {FormData} form @param {string} name */
export const field = (form, name) => String(form.get(name) ?? "").trim();
