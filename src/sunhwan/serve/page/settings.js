/** Language and colours of the page: switched here, kept in the browser. */

import { tell } from "./bus.js";
import { find } from "./dom.js";
import { say, translate } from "./messages.js";

const root = document.documentElement;

function kept(name) {
  try {
    return localStorage.getItem(`sunhwan.${name}`);
  } catch {
    return null;
  }
}

function keep(name, value) {
  try {
    localStorage.setItem(`sunhwan.${name}`, value);
  } catch {
    // It holds until the page is left.
  }
}

function show() {
  translate(document);
  const language = find("language");
  // The button names the other language, in that language.
  language.textContent = root.lang === "ko" ? "English" : "한국어";
  language.lang = root.lang === "ko" ? "en" : "ko";
  find("theme").textContent = say(root.dataset.theme === "dark" ? "light" : "dark");
}

function colour(theme) {
  root.dataset.theme = theme;
  show();
  tell("theme");
}

export function startSettings() {
  find("language").addEventListener("click", () => {
    root.lang = root.lang === "ko" ? "en" : "ko";
    keep("language", root.lang);
    show();
    tell("language");
  });
  find("theme").addEventListener("click", () => {
    colour(root.dataset.theme === "dark" ? "light" : "dark");
    keep("theme", root.dataset.theme);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ({ matches }) => {
    if (!kept("theme")) colour(matches ? "dark" : "light");
  });
  show();
}
