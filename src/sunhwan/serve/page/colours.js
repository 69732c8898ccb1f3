/** Colour scales, those of the report: orange above 0 and purple below, red for amounts, blue for gates. */

const clamp = (share) => Math.max(0, Math.min(1, share));

/** A scale from 0 to `top`: what surprises, how far a gate is open. */
export const amounts = (top, hue = "--amount") => ({
  bottom: 0,
  top,
  fill: (value) => ({ hue, share: clamp(value / top) }),
});

/** A scale from −top to top around 0. */
const signs = (top) => ({
  bottom: -top,
  top,
  fill: (value) => ({ hue: value < 0 ? "--minus" : "--plus", share: clamp(Math.abs(value) / top) }),
});

/** The scale that fits values: 0 … 1 of gates, else around 0 as far as they reach. */
export function scaleOf(values, isGate) {
  if (isGate) return amounts(1, "--gate");
  let top = 0;
  for (const value of values) top = Math.max(top, Math.abs(value ?? 0));
  return signs(top || 1);
}

/** A fill as CSS, which follows the theme by itself. */
export const css = ({ hue, share }) =>
  `color-mix(in srgb, var(${hue}) ${(share * 100).toFixed(1)}%, transparent)`;

/** The page's colours as numbers, for a canvas: name → [r, g, b]. */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => {
    const digits = style.getPropertyValue(name).trim().slice(1);
    return [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16));
  };
  const names = [
    "--sheet",
    "--ink",
    "--soft",
    "--line",
    "--accent",
    "--amount",
    "--plus",
    "--minus",
    "--gate",
  ];
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}

/** The same fill as numbers, laid on the sheet. */
export function mixed({ hue, share }, colours) {
  const under = colours["--sheet"];
  return colours[hue].map((part, i) => Math.round(under[i] + (part - under[i]) * share));
}
