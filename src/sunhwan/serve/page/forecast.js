/** Forecasts of series: given values and forecast, as a chart and as numbers. */

import { on } from "./bus.js";
import { asIs, draw, rgba } from "./chart.js";
import { element, fillSelect, find } from "./dom.js";
import { calm, complain } from "./problem.js";
import { number, percent, say } from "./messages.js";

const LEAST = 60; // given steps in the chart, or …
const PAST = 4; // times as many as are forecast

let series = []; // of each {name, times, given: [number …], steps: [values of an answer …]}

/** What was typed as rows {time, numbers}, as the server reads them; without dates they are counted. */
const rowsOf = (typed) =>
  typed.split("\n").map((line, k) => {
    const cells = line.split(/[\s,]+/).filter(Boolean);
    const time = cells.filter((cell) => Number.isNaN(Number(cell))).join(" ");
    const numbers = cells.map(Number).filter((value) => !Number.isNaN(value));
    return { time: time || k + 1, numbers };
  });

/** Show the answers, one a step of a series, to what was typed; none: nothing is shown. */
export function showForecast(typed, answers) {
  const rows = rowsOf(typed);
  const steps = answers.map(({ values }) => values);
  // The series come in the order of their columns.
  series = [...new Set(steps.map((one) => one.series))].map((name, column) => ({
    name,
    times: rows.map(({ time }) => time),
    given: rows.map(({ numbers }) => numbers[column]),
    steps: steps.filter((one) => one.series === name),
  }));
  fillSelect(
    find("forecastSeries"),
    series.map(({ name }, k) => [String(k), name]),
  );
  find("seriesChoice").hidden = series.length < 2;
  show();
}

function show() {
  find("forecast").hidden = series.length === 0;
  find("forecastSaid").textContent = "";
  if (!series.length) return;
  const shown = series[Number(find("forecastSeries").value)];
  const { name, steps } = shown;
  const figure = writer(steps);
  const words = { n: number(steps.length), p: share(steps), name };
  const [{ median, lower, upper }] = steps;
  const next = { median: figure(median), lower: figure(lower), upper: figure(upper) };
  find("forecastSaid").textContent = say("forecastSaid", { ...words, ...next });
  find("forecastPicture").setAttribute("aria-label", say("forecastOf", words));
  find("forecastRows").replaceChildren(
    ...steps.map((one) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, element("bdi", {}, one.time)),
        ...["median", "lower", "upper"].map((field) =>
          element("td", { class: "figure" }, figure(one[field])),
        ),
      ),
    ),
  );
  chart(shown).then(
    () => calm("forecast"),
    (error) => complain("forecast", error),
  );
}

/** Writes numbers with as many decimals as the band makes meaningful. */
function writer(steps) {
  const width = Math.max(...steps.map(({ lower, upper }) => upper - lower));
  const decimals = width > 0 ? Math.min(Math.max(2 - Math.floor(Math.log10(width)), 0), 12) : 3;
  return (value) => number(value, decimals);
}

/** The share of what may come that lies in the band. */
function share([{ quantiles }]) {
  const levels = Object.keys(quantiles).map(Number);
  return percent(Math.max(...levels) - Math.min(...levels));
}

async function chart({ name, times, given, steps }) {
  const shown = Math.max(LEAST, PAST * steps.length);
  // The lines of the future begin where the given one ends.
  const counted = typeof times.at(-1) === "number";
  const x = [times.at(-1), ...steps.map(({ time }) => (counted ? Number(time) : time))];
  const future = (field, more) => ({
    x,
    y: [given.at(-1), ...steps.map((one) => one[field])],
    mode: "lines",
    ...more,
  });
  const edge = { line: { width: 0 }, hoverinfo: "skip" };
  const band = { name: say("band", { p: share(steps) }), fill: "tonexty" };
  const line = { name: say("median"), line: { color: rgba("--amount"), width: 2 } };
  await draw(
    "forecastPicture",
    [
      {
        x: times.slice(-shown),
        y: given.slice(-shown),
        name: say("given"),
        mode: "lines",
        line: { color: rgba("--gate"), width: 2 },
      },
      future("lower", { ...edge, showlegend: false }),
      future("upper", { ...edge, ...band, fillcolor: rgba("--amount", 0.3) }),
      future("median", line),
    ],
    { x: { title: say("time") }, y: { title: asIs(name) } },
  );
}

export function startForecast() {
  find("forecastSeries").addEventListener("change", show);
  on("theme", show);
  on("language", show);
}
