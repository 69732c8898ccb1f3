/** Error messages, shown in one place until the failed part works again. */

import { find } from "./dom.js";

const problems = new Map();

/** Show the error message of a part: "next", "trace" … */
export function complain(what, error) {
  if (error.name === "AbortError") return;
  problems.delete(what);
  problems.set(what, error.message);
  show();
}

/** Clear one message. */
export function calm(what) {
  if (problems.delete(what)) show();
}

/** Clear all. */
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
