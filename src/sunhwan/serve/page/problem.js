/** What went wrong, said in one place until that which failed works again. */

import { find } from "./dom.js";

const problems = new Map();

/** Say what went wrong with something: "next", "trace" … */
export function complain(what, error) {
  if (error.name === "AbortError") return;
  problems.delete(what);
  problems.set(what, error.message);
  show();
}

/** It works. */
export function calm(what) {
  if (problems.delete(what)) show();
}

/** All is begun anew. */
export function forget() {
  problems.clear();
  show();
}

function show() {
  const place = find("problem");
  const said = [...new Set(problems.values())];
  place.hidden = said.length === 0;
  place.replaceChildren(...said.flatMap((one, k) => (k ? ["\n", one] : [one])));
}
