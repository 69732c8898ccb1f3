/** The sentences of the page in the language of its reader, and how numbers are written. */

import { CATALOGUE } from "./catalogue.js";

const language = () => (document.documentElement.lang === "ko" ? "ko" : "en");

export const has = (key) => Object.hasOwn(CATALOGUE, key);

/** The sentence of a key, with {names} filled in. */
export function say(key, values = {}) {
  return CATALOGUE[key][language()].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** A name that the model gave: in the reader's language where it is one of ours. */
export const called = (name) => (has(name) ? say(name) : String(name));

const writers = new Map(); // making one takes longer than all it writes in a step

/** A number with at most so many decimals, as the language writes it. */
export function number(value, decimals = 0) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const key = `${document.documentElement.lang} ${decimals}`;
  if (!writers.has(key)) {
    const options = { maximumFractionDigits: decimals, minimumFractionDigits: decimals };
    writers.set(key, new Intl.NumberFormat(document.documentElement.lang, options));
  }
  // What is rounded to zero has no sign.
  return writers.get(key).format(value).replace(/^-(?=[0.,]*$)/, "").replace(/^-/, "−");
}

/** A number in as many digits as it needs. */
export const plain = (value) => (value + 0).toLocaleString(document.documentElement.lang, { maximumSignificantDigits: 6 });

/** A probability: "42 %", "0.3 %"; nothing is said to be 0 or 100 % but what is. */
export function percent(share) {
  if (share > 0 && share < 0.0005) return `< ${number(0.1, 1)} %`;
  if (share >= 0.9995 && share < 1) return `> ${number(99.9, 1)} %`;
  return `${number(share * 100, share < 0.0995 || (share >= 0.995 && share < 1) ? 1 : 0)} %`;
}

const TARGETS = {
  word: null,
  wordLabel: "aria-label",
  wordTitle: "title",
  wordHint: "placeholder",
};

/** Fill in what the elements below `root` say by their data-word… attributes. */
export function translate(root) {
  for (const [name, attribute] of Object.entries(TARGETS)) {
    const written = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    for (const found of root.querySelectorAll(`[data-${written}]`)) {
      const said = say(found.dataset[name]);
      if (attribute) found.setAttribute(attribute, said);
      else found.textContent = said;
    }
  }
}
