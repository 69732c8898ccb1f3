/** DOM elements made of names and plain text alone: nothing here reads markup. */

export const find = (id) => document.getElementById(id);

/** An element; a key "on…" listens, true sets an empty attribute, false and null set none. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined)
      made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** Give a select these [value, text] options; what was chosen stays where it still can be. */
export function fillSelect(select, options) {
  const before = select.value;
  select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
  if (options.some(([value]) => value === before)) select.value = before;
}

/** A bar of a share in [0, 1], for eyes only: its number stands beside it. */
export function bar(share) {
  const filled = element("span", { class: "bar-filled" });
  filled.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return element("span", { class: "bar", "aria-hidden": "true" }, filled);
}
