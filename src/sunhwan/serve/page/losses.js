/** The learning curve of the run, which grows while it trains. */

import * as api from "./api.js";
import { on, oneAtATime } from "./bus.js";
import { draw, rgba } from "./chart.js";
import { find } from "./dom.js";
import { chosen } from "./models.js";
import { calm, complain } from "./problem.js";
import { isShown } from "./tabs.js";
import { number, percent, say } from "./messages.js";

const LIVE = 1000; // milliseconds until the log of a run that trains is read on
const STILL = 3000; // … of one that may be resumed
const MUCH = 100_000; // bytes in an answer behind which there is perhaps more
const POINTS = 1500; // as many as an eye tells apart

let run = fresh(null);

function fresh(id) {
  return {
    id,
    next: 0,
    steps: [],
    validations: [],
    clipped: new Set(),
    training: false,
    finished: false,
    due: 0,
  };
}

/** steps [step, number …] → at most POINTS of them: the mean of each stretch. */
function thinned(steps, column) {
  const width = Math.ceil(steps.length / POINTS);
  const x = [];
  const y = [];
  for (let start = 0; start < steps.length; start += width) {
    const stretch = steps.slice(start, start + width);
    const known = stretch.map((step) => step[column]).filter(Number.isFinite);
    if (!known.length) continue;
    x.push(stretch.at(-1)[0]);
    y.push(known.reduce((sum, value) => sum + value, 0) / known.length);
  }
  return { x, y };
}

const read = oneAtATime(async () => {
  const model = chosen();
  if (!model || !isShown("learning") || document.hidden) return;
  if (run.id !== model.id) run = fresh(model.id);
  run.due = Date.now() + LIVE;
  const own = run;
  try {
    const answer = await api.losses(own.id, own.next);
    if (own !== run) return;
    calm("losses");
    // A log that was begun anew is read from its beginning.
    if (answer.next < own.next) run = fresh(own.id);
    const grown = answer.next !== own.next || own.training !== answer.training;
    const first = own.next === 0;
    const more = answer.next - own.next > MUCH;
    if (run === own) {
      for (const { event, step } of answer.events) if (event === "clip") own.clipped.add(step);
      // A resumed run writes again the steps since its checkpoint: the later ones count.
      const from = answer.steps[0]?.[0] ?? Infinity;
      own.steps = [...own.steps.filter(([step]) => step < from), ...answer.steps];
      const since = Math.min(answer.validations[0]?.[0] ?? Infinity, from);
      own.validations = [
        ...own.validations.filter(([step]) => step < since),
        ...answer.validations,
      ];
      Object.assign(own, {
        next: answer.next,
        training: answer.training,
        finished: answer.finished,
      });
      own.due = more ? 0 : Date.now() + (answer.training ? LIVE : STILL);
    }
    if (run === own && (grown || first)) await show();
  } catch (error) {
    own.due = Date.now() + STILL;
    if (error.status === 404) say404();
    else complain("losses", error);
  }
});

function say404() {
  find("lossPicture").hidden = true;
  find("lossSaid").textContent = say("noLosses");
}

function sentence() {
  const last = run.steps.at(-1);
  if (!last) return say("noLosses");
  const words = { step: number(last[0]), loss: number(last[1], 3) };
  const best = run.validations.reduce(
    (one, other) => (!one || other[1] < one[1] ? other : one),
    null,
  );
  const clipped = run.steps.filter(([step]) => run.clipped.has(step)).length;
  return [
    say("lossAt", words),
    best ? say("validationAt", { step: number(best[0]), loss: number(best[1], 3) }) : "",
    clipped ? say("clippedShare", { p: percent(clipped / run.steps.length) }) : "",
    run.training ? say("live") : run.finished ? say("finished") : "",
  ].join("");
}

async function show() {
  find("lossSaid").textContent = sentence();
  const place = find("lossPicture");
  place.hidden = !run.steps.length;
  place.dataset.steps = run.steps.length;
  place.dataset.validations = run.validations.length;
  if (place.hidden) return;
  const line = (column, name, more) => ({
    ...thinned(run.steps, column),
    name,
    mode: "lines",
    ...more,
  });
  const validations = {
    x: run.validations.map(([step]) => step),
    y: run.validations.map(([, loss]) => loss),
    name: say("validationLoss"),
    mode: "lines+markers",
    line: { color: rgba("--amount"), width: 2 },
    marker: { size: 6 },
  };
  await draw(
    "lossPicture",
    [
      line(1, say("trainingLoss"), { line: { color: rgba("--gate", 0.75), width: 1.5 } }),
      validations,
      line(2, say("gradientNorm"), { line: { color: rgba("--soft", 0.6), width: 1 }, yaxis: "y2" }),
    ],
    {
      x: { title: say("step"), more: { anchor: "y2" } },
      y: { title: say("loss"), more: { domain: [0.3, 1] } },
      yaxis2: {
        title: { text: say("normShort"), font: { size: 13 }, standoff: 8 },
        domain: [0, 0.22],
        gridcolor: rgba("--line"),
        zeroline: false,
        automargin: true,
        nticks: 3,
      },
      height: 440,
    },
  );
}

export function startLosses() {
  setInterval(() => Date.now() >= run.due && read(), LIVE / 2);
  on("tab", () => read());
  on("model", () => {
    run = fresh(chosen()?.id ?? null);
    find("lossPicture").hidden = true;
    find("lossSaid").textContent = "";
    read();
  });
  const again = () => {
    if (isShown("learning") && run.steps.length) show().catch((error) => complain("losses", error));
  };
  on("language", again);
  on("theme", again);
}
