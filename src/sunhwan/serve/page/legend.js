/** Legend of the text's colours, in numbers. */

import { css } from "./colours.js";
import { element, find } from "./dom.js";
import { number } from "./messages.js";

const STEPS = 9;

/** Show a scale and what it measures; null: nothing is coloured. */
export function showLegend(scale, said) {
  const shown = find("legend");
  shown.hidden = !scale;
  if (!scale) return;
  const { bottom, top, more } = scale;
  const decimals = top >= 4 ? 0 : top < 0.1 ? 3 : 2;
  const steps = Array.from({ length: STEPS }, (_, k) => {
    const value = bottom + ((top - bottom) * k) / (STEPS - 1);
    // A number at both ends and in the middle.
    const label = (2 * k) % (STEPS - 1) === 0 ? number(value, decimals) : "\u00a0";
    const beyond = more && k === STEPS - 1 ? "+" : "";
    const swatch = element("span", { class: "swatch" });
    swatch.style.backgroundColor = css(scale.fill(value));
    return element("span", { class: "legend-step" }, swatch, element("span", {}, label + beyond));
  });
  shown.replaceChildren(element("span", { class: "legend-words" }, said), ...steps);
}
