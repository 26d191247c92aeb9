/** The page's helpers. They insert everything as text, never as HTML. */

/**
 * Returns the element with an id, and checks its kind.
 * @template {HTMLElement} T
 * @param {string} id @param {new () => T} kind @returns {T}
 */
export function byId(id, kind) {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new TypeError(`the page has no ${kind.name} #${id}`);
}

/**
 * Makes an element with its properties and its children.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Partial<HTMLElementTagNameMap[T]>} [properties] @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Sets `aria-disabled`, because a button with `disabled` loses the keyboard's focus. @param {HTMLButtonElement} button @param {boolean} isEnabled */
export function enable(button, isEnabled) {
  button.toggleAttribute("aria-disabled", !isEnabled);
  if (!isEnabled) button.setAttribute("aria-disabled", "true");
}

/**
 * Does `work` on a click, but only once at a time. A form's button does it when the form is submitted.
 * @param {HTMLButtonElement} button @param {() => Promise<unknown>} work
 */
export function onClick(button, work) {
  const press = async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    enable(button, false);
    await work().finally(() => enable(button, true));
  };
  const isOfForm = button.type === "submit" && button.form;
  if (!isOfForm) return button.addEventListener("click", press);
  button.form.addEventListener("submit", (event) => {
    event.preventDefault();
    press();
  });
}

/** Shows a message. @param {HTMLElement} place @param {string} text @param {"" | "good" | "bad"} [mood] */
export function say(place, text, mood = "") {
  place.hidden = false;
  place.textContent = text;
  place.className = `state ${mood}`;
}

/** @param {FormData} form @param {string} name */
export const field = (form, name) => String(form.get(name) ?? "").trim();
