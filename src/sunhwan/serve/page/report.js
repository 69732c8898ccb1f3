/** Findings of `sunhwan inspect`: gradient flow, and units found by probes. */

import * as api from "./api.js";
import { on, tell } from "./bus.js";
import { asIs, draw, rgba } from "./chart.js";
import { element, fillSelect, find } from "./dom.js";
import { chosen, layersOf } from "./models.js";
import { complain } from "./problem.js";
import { isShown } from "./tabs.js";
import { called, number, say } from "./messages.js";

const COLOURS = ["--plus", "--amount", "--accent", "--soft", "--minus"];

let found = null; // the report of the model, null where there is none
let units = []; // what its probes found: {feature, stack, layer, field, index …}

const korean = () => document.documentElement.lang === "ko";
const titled = (result) => String((korean() ? result.korean : null) ?? result.feature);
const passedOnes = () => units.filter(({ passed }) => passed !== false);

async function load() {
  const model = chosen();
  found = null;
  units = [];
  try {
    if (model?.has?.report || model?.has?.flow || model?.has?.probes) {
      const answer = await api.report(model.id);
      if (model.id !== chosen()?.id) return;
      found = answer;
      units = found.probes?.results ?? [];
    }
  } catch (error) {
    if (error.status !== 404) complain("report", error);
  }
  fillProbed();
  show();
}

/** Choose one of the units that probes found: a select in reach of the text. */
function fillProbed() {
  const known = passedOnes();
  find("probedChoice").hidden = known.length === 0;
  fillSelect(find("probed"), [
    ["", say("choose")],
    ...known.map((one, k) => [
      String(k),
      say("probedUnit", { feature: titled(one), n: one.index }),
    ]),
  ]);
}

function colourWith({ stack, layer, field, index }) {
  tell("unit", { stack, layer, value: field, unit: index });
}

/** Of a unit, whose layer counts directions apart. */
function nameOf({ stack, layer, field }) {
  const known = layersOf(chosen()).find((one) => one.stack === stack && one.index === layer);
  return `${known?.label ?? `${called(stack)} ${layer}`} · ${field}`;
}

/** Of a curve, whose layer has both directions. */
function nameOfCurve({ stack, layer, direction, field }) {
  const known = layersOf(chosen()).find(
    (one) => one.stack === stack && one.level === layer && one.direction === direction,
  );
  return `${known?.label ?? `${called(stack)} ${layer} ${called(direction)}`} · ${field}`;
}

function show() {
  const none = !found;
  find("noReport").hidden = !none || !chosen();
  find("command").textContent = `sunhwan inspect ${chosen()?.id ?? "RUN"}`;
  find("fullReport").hidden = !chosen()?.has?.report;
  find("fullReport").href = chosen() ? api.reportPage(chosen().id) : "#";
  find("flowPart").hidden = !found?.flow?.curves?.length;
  find("probePart").hidden = units.length === 0;
  showProbes();
  if (isShown("findings") && !find("flowPart").hidden)
    showFlow().catch((error) => complain("report", error));
}

/** Ticks at powers of ten, in plain characters: Plotly's own would be marked up. */
function powers() {
  const exponents = Array.from({ length: 40 }, (_, k) => 3 - k);
  const raised = (n) => [...String(n)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit] ?? "⁻").join("");
  const ticktext = exponents.map((n) => (n === 0 ? "1" : `10${raised(n)}`));
  return { tickvals: exponents.map((n) => 10 ** n), ticktext };
}

async function showFlow() {
  const { curves, windows } = found.flow;
  find("flowSaid").textContent = say("flowSaid", { n: number(windows) });
  const traces = curves.flatMap((curve, k) => {
    const colour = COLOURS[k % COLOURS.length];
    const start = curve.start || 1;
    const x = curve.median.map((_, lag) => lag);
    const line = (y, more) => ({
      x,
      y: y.map((value) => (value > 0 ? value / start : null)),
      mode: "lines",
      legendgroup: `curve${k}`,
      ...more,
    });
    const edge = { line: { width: 0 }, showlegend: false, hoverinfo: "skip" };
    const band = { ...edge, fill: "tonexty", fillcolor: rgba(colour, 0.15) };
    const middle = { name: asIs(nameOfCurve(curve)), line: { color: rgba(colour), width: 2 } };
    const sides = curve.low && curve.high ? [line(curve.low, edge), line(curve.high, band)] : [];
    return [...sides, line(curve.median, middle)];
  });
  find("horizons").replaceChildren(
    ...curves.map((curve) => {
      const beyond = curve.horizon === null || curve.horizon === undefined;
      const words = {
        name: nameOfCurve(curve),
        n: number(beyond ? found.flow.lags : curve.horizon),
      };
      return element("li", {}, say(beyond ? "horizonBeyond" : "horizonAt", words));
    }),
  );
  await draw("flowPicture", traces, {
    x: { title: say("lag") },
    y: { title: say("norm"), more: { type: "log", ...powers(), hoverformat: ".3~g" } },
  });
}

function showProbes() {
  find("probeRows").replaceChildren(
    ...units.map((one) => {
      const words = { n: one.index };
      const button = element(
        "button",
        { type: "button", class: "chip", "aria-label": say("colourWith", words) },
        String(one.index),
      );
      button.addEventListener("click", () => colourWith(one));
      return element(
        "tr",
        {},
        element("th", { scope: "row" }, element("bdi", {}, titled(one))),
        element("td", {}, button, element("small", {}, ` ${nameOf(one)}`)),
        element("td", { class: "figure" }, number(one.score, 3)),
        element("td", { class: "figure" }, number(one.chance, 3)),
        element("td", {}, say(one.passed === false ? "no" : "yes")),
      );
    }),
  );
}

export function startReport() {
  find("probed").addEventListener("change", ({ target }) => {
    if (target.value !== "") colourWith(passedOnes()[Number(target.value)]);
  });
  on("model", load);
  on("tab", show);
  on("theme", show);
  on("language", () => {
    fillProbed();
    show();
  });
}
