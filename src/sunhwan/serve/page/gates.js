/** Heat map of the gates and states of all units over the text. */

import * as api from "./api.js";
import { on, oneAtATime, settled, tell } from "./bus.js";
import { scaleOf } from "./colours.js";
import { element, fillSelect, find } from "./dom.js";
import { HeatMap } from "./heatmap.js";
import { chosen, isWriter, layersOf } from "./models.js";
import { calm, complain } from "./problem.js";
import { question } from "./question.js";
import { isShown, offer } from "./tabs.js";
import { called, number, say } from "./messages.js";

const STATES = new Set(["h", "c", "n", "m"]); // of a cell without gates there are these alone
const TAIL = 300; // characters: all units of more are too much to send and to see

let seen = null; // {answer, layer, value}
let order = [];

const place = () => layersOf(chosen()).find(({ key }) => key === find("gateLayer").value);

const map = new HeatMap(find("gateMap"), {
  moved: (row, column) => {
    const k = order[row];
    const { answer, value } = seen;
    const words = { n: answer.units[k], label: answer.labels[column] };
    find("gateCell").textContent = say("gateCell", {
      ...words,
      v: number(answer.values[value][k][column], 3),
    });
  },
  chose: (row) => choose(seen.answer.units[order[row]]),
});

function choose(unit) {
  tell("unit", { stack: seen.layer.stack, layer: seen.layer.index, value: seen.value, unit });
}

const refresh = oneAtATime(async () => {
  if (!isShown("gates")) return;
  const model = chosen();
  const layer = place();
  const whole = question();
  const read = isWriter() ? whole.slice(-TAIL) : whole;
  if (!model?.ready || !layer || read.trim() === "") {
    seen = null;
    show();
    return;
  }
  const value = find("gateValue").value;
  try {
    const answer = await api.trace(model, read, layer, value);
    if (model.id !== chosen()?.id) return;
    calm("gates");
    seen = { answer, layer, value, cut: read.length < whole.length };
    show();
  } catch (error) {
    complain("gates", error);
  }
});

const mean = (row) => row.reduce((sum, value) => sum + value, 0) / Math.max(row.length, 1);

function show() {
  const note = find("gateNote");
  find("gatePicture").hidden = !seen;
  find("gateCell").textContent = "";
  find("gateOpen").replaceChildren();
  if (!seen) {
    note.textContent = say("gatesEmpty");
    return;
  }
  note.textContent = seen.cut ? say("gatesTail", { n: number(TAIL) }) : "";
  const { answer, value } = seen;
  const rows = answer.values[value];
  order = rows.map((_, k) => k);
  if (find("gateOrder").value === "mean")
    order.sort((one, other) => mean(rows[other]) - mean(rows[one]));
  const isGate = rows.every((row) => row.every((v) => v >= 0 && v <= 1));
  const open = new Set(answer.open?.units ?? []);
  const marked = order.flatMap((k, row) => (open.has(answer.units[k]) ? [row] : []));
  map.show({
    rows: order.map((k) => String(answer.units[k])),
    columns: answer.labels,
    values: order.map((k) => rows[k]),
    scale: scaleOf(rows.flat(), isGate),
    marked: new Set(marked),
  });
  const words = { value, units: number(rows.length), steps: number(answer.labels.length) };
  find("gateMap").setAttribute("aria-label", say("gatesLabel", words));
  showOpen(answer.open);
}

function showOpen(open) {
  if (!open) return;
  if (!open.units.length) {
    find("gateOpen").textContent = say("noneOpen");
    return;
  }
  find("gateOpen").replaceChildren(
    say("open", { gate: open.gate }),
    ...open.units.map((unit) =>
      element(
        "button",
        {
          type: "button",
          class: "chip",
          "aria-label": say("colourWith", { n: unit }),
          onclick: () => choose(unit),
        },
        String(unit),
      ),
    ),
  );
}

function fill() {
  fillSelect(
    find("gateLayer"),
    layersOf(chosen()).map(({ key, label }) => [key, label]),
  );
  fillSelect(find("gateOrder"), [
    ["index", say("byIndex")],
    ["mean", say("byMean")],
  ]);
  fillGates();
}

function fillGates() {
  const names = place()?.values ?? [];
  const select = find("gateValue");
  const first = select.options.length === 0;
  fillSelect(
    select,
    names.map((name) => [name, called(name)]),
  );
  // The gate that keeps the memory tells most.
  if (first && names.includes("f")) select.value = "f";
}

export function startGates() {
  find("gateLayer").addEventListener("change", () => {
    fillGates();
    refresh();
  });
  find("gateValue").addEventListener("change", () => refresh());
  find("gateOrder").addEventListener("change", show);
  const rested = settled(500, refresh);
  on("text", rested);
  on("tab", () => refresh());
  on("theme", () => map.draw());
  on("language", () => {
    fill();
    show();
  });
  on("model", () => {
    seen = null;
    offer("gates", layersOf(chosen()).length > 0);
    const gated = layersOf(chosen()).some(({ values }) => values.some((name) => !STATES.has(name)));
    const tab = find("tab-gates");
    tab.dataset.word = gated ? "gates" : "states";
    tab.textContent = say(tab.dataset.word);
    find("gateValue").replaceChildren();
    fill();
    show();
    refresh();
  });
  addEventListener(
    "resize",
    settled(200, () => seen && show()),
  );
}
