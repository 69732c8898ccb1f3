/** Most active units: those furthest from 0 at a character of the text. */

import * as api from "./api.js";
import { on, oneAtATime, tell } from "./bus.js";
import { element, find } from "./dom.js";
import { chosen, isWriter } from "./models.js";
import { calm, complain } from "./problem.js";
import { question } from "./question.js";
import * as text from "./text.js";
import { layer, value } from "./unit.js";
import { number, say } from "./messages.js";

const NEAR = 300; // characters read before the one that is asked about
const COUNT = 8;

/** Show those at the character before the caret, each a button that colours the text by it. */
export const showActive = oneAtATime(async () => {
  const model = chosen();
  const place = layer();
  const at = text.atCaret();
  const upto = text.typed().slice(0, Math.max(text.caret(), 1));
  const read = isWriter() ? upto.slice(-NEAR) : question();
  if (!model?.ready || !place || read.trim() === "") return;
  const name = value();
  try {
    const answer = await api.trace(model, read, place, name);
    calm("active");
    const step = isWriter() || !at ? answer.labels.length - 1 : at.group.steps.at(-1);
    const found = answer.values[name].map((row, k) => [answer.units[k], row[step]]);
    found.sort(([, one], [, other]) => Math.abs(other) - Math.abs(one));
    find("active").replaceChildren(
      say(isWriter() ? "activeNear" : "activeAt", { label: answer.labels[step] ?? "", n: NEAR }),
      ...found.slice(0, COUNT).map(chip),
    );
  } catch (error) {
    complain("active", error);
  }
});

function chip([unit, amount]) {
  const said = element("small", {}, ` ${number(amount, 2)}`);
  const onclick = () => tell("unit", { unit });
  return element("button", { type: "button", class: "chip", onclick }, String(unit), said);
}

export function startActive() {
  find("activeUnits").addEventListener("click", () => showActive());
  on("model", () => find("active").replaceChildren());
}
