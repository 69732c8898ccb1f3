/** A text unrolled: step by step forward to the loss, then the gradient step by step back. */

import * as api from "./api.js";
import { on, oneAtATime, settled } from "./bus.js";
import { bar, element, fillSelect, find } from "./dom.js";
import { chosen, isWriter } from "./models.js";
import { isShown, offer } from "./tabs.js";
import { number, percent, plain, say } from "./messages.js";
import * as text from "./text.js";

const HELLO = "hell";
const CELLS = ["elman", "elman_sigmoid", "gru", "gru_reset_before", "lstm", "mingru"];
const TAIL = 24; // characters of the text that are taken at first
const LONG = 300; // milliseconds of waiting from which on it is said

let seen = null; // what the server said
let problem = ""; // why it said nothing
let marked = []; // how each step is shown in the row of all
let largest = 1; // size of a gradient
let at = 0; // 0 … T − 1: forward through a step; T … 2 T − 1: back at step 2 T − 1 − at; 2 T: the update

const last = () => 2 * seen.steps.length;
const isBack = () => at >= seen.steps.length;
const isUpdate = () => at === last();
const place = () => (isBack() ? Math.max(last() - 1 - at, 0) : at);
const example = () => find("stepsModel").value;

const refresh = oneAtATime(async () => {
  if (!isShown("steps")) return;
  const model = chosen();
  const read = find("stepsText").value;
  let answer = null;
  let said = "";
  if (model?.ready && isWriter() && read !== "") {
    const body = { model: model.id, text: read, then: find("stepsThen").value, example: example() };
    if (body.example) body.cell = find("stepsCell").value;
    const lengths = { block_length: find("stepsBlock"), bptt_length: find("stepsReach") };
    if (Object.values(lengths).some((field) => !field.checkValidity())) said = say("stepsLengths");
    for (const [name, field] of Object.entries(lengths)) if (field.value !== "") body[name] = Number(field.value);
    const done = wait();
    try {
      if (!said) answer = await api.steps(body);
    } catch (error) {
      said = error.message;
    }
    done();
  }
  if (model?.id !== chosen()?.id) return;
  [seen, problem, at] = [answer, said, 0];
  show();
});

/** What is shown is not of what was asked: until the function that this gives is called. */
function wait() {
  const part = find("stepsPart");
  part.inert = true;
  part.setAttribute("aria-busy", "true");
  find("stepsEmpty").hidden = true;
  const timer = setTimeout(() => (find("stepsWaiting").hidden = false), LONG);
  return () => {
    clearTimeout(timer);
    part.inert = false;
    part.removeAttribute("aria-busy");
    find("stepsWaiting").hidden = true;
  };
}

function show() {
  find("stepsPart").hidden = !seen;
  find("stepsProblem").hidden = problem === "";
  find("stepsProblem").textContent = problem;
  find("stepsEmpty").hidden = Boolean(seen) || problem !== "";
  find("stepsThen").placeholder = seen?.then ?? "";
  if (!seen) return;
  find("stepsRow").replaceChildren(...seen.steps.map(column));
  marked = [];
  largest = Math.max(...seen.steps.map(size), 1e-300);
  find("stepsLanes").hidden = !find("stepsRow").querySelector(".lanes");
  go(Math.min(at, last()));
}

/** Which blocks go through a step, each in its lane: with its losses, or read once more for the gradient. */
function lanes(t) {
  const { blocks } = seen;
  const many = Math.max(...blocks.map(([first, , end], b) => blocks.slice(b).filter(([f]) => f < end).length));
  if (many < 2) return [];
  const row = Array.from({ length: many }, (_, lane) => {
    const found = blocks.find(([first, , end], b) => b % many === lane && first <= t && t < end);
    return element("span", { class: !found ? "lane" : t < found[1] ? "lane again" : "lane new" });
  });
  return [element("span", { class: "lanes", "aria-hidden": "true" }, ...row)];
}

/** A step in the row of all: what it reads, its loss, and on the way back the size of its gradient. */
function column(step, t) {
  const border = t > 0 && seen.steps[t - 1].block !== step.block;
  const button = element(
    "button",
    { type: "button", class: "step", onclick: () => go(isBack() ? last() - 1 - t : t) },
    element("bdi", { class: "token" }, step.label),
    element("span", { class: "step-loss" }, brief(step.loss)),
    element("span", { class: "step-back", "aria-hidden": "true" }),
  );
  const name = say("stepsColumn", { n: number(t + 1), label: step.label });
  button.setAttribute("aria-label", border ? `${name}, ${say(seen.anew.includes(t) ? "stepsAnew" : "stepsBorder")}` : name);
  return element("li", { class: border ? "border" : null }, button, ...lanes(t));
}

/** A loss in few digits; one that rounds to 0 is not said to be 0. */
function brief(loss) {
  if (loss === null) return "–";
  return loss > 0 && loss < 0.005 ? `<${number(0.01, 2)}` : number(loss, 2);
}

const top = (step) => step.layers.at(-1);
const size = (step) => Math.max(...Object.values(top(step).norms));

/** Show in the row of all whether a step was passed, is at hand, and what came back to it: what has changed alone. */
function mark(t, here) {
  const state = `${t === here && !isUpdate()} ${isBack() || t <= here} ${isBack() && t >= here}`;
  if (marked[t] === state) return;
  marked[t] = state;
  const [current, passed, came] = state.split(" ").map((one) => one === "true");
  const [button] = find("stepsRow").children[t].children;
  button.setAttribute("aria-current", current ? "step" : "false");
  button.classList.toggle("passed", passed);
  button.lastChild.style.height = came ? `${(size(seen.steps[t]) / largest) * 2.5}rem` : "0";
}

/** Show a place on the way: the columns that were passed, and the numbers of the one at hand. */
function go(wanted) {
  const { steps } = seen;
  at = Math.max(0, Math.min(wanted, last()));
  const here = place();
  for (let t = 0; t < steps.length; t++) mark(t, here);
  const current = find("stepsRow").children[here];
  current.scrollIntoView({ block: "nearest", inline: "nearest" });
  find("stepsBack").disabled = at === 0;
  find("stepsNext").disabled = isUpdate();
  const words = { n: number(here + 1), all: number(steps.length), loss: number(seen.loss, 6) };
  const parts = isUpdate() ? update() : isBack() ? backward(steps[here], here) : forward(steps[here], here);
  find("stepsSaid").textContent = say(isUpdate() ? "stepsUpdate" : isBack() ? "stepsWalkBack" : "stepsForward", words);
  find("stepsNow").replaceChildren(...parts);
}

/** A number; one too small for its decimals as a power of ten, so that none but 0 is said to be 0. */
function figure(value, decimals = 4) {
  const tiny = value !== 0 && Math.abs(value) < 10 ** (1 - decimals);
  const said = tiny ? value.toExponential(1).replaceAll("-", "−") : number(value, decimals);
  return element("td", { class: "figure", "data-value": String(value) }, said);
}

function row(name, { size: all, first }) {
  const rest = all > first.length ? [element("td", { class: "quiet" }, `… ${number(all)}`)] : [];
  return element("tr", { "data-name": name }, element("th", { scope: "row" }, name), ...first.map((v) => figure(v)), ...rest);
}

/** A gate as circles: full where it is open. */
function circles(name, { first }) {
  const made = first.map((share) => {
    const one = element("span", { class: "circle", title: number(share, 4) });
    one.style.setProperty("--share", `${share * 100}%`);
    return element("td", { class: "figure" }, one);
  });
  return element("tr", { class: "circles", "aria-hidden": "true" }, element("th", {}, ""), ...made);
}

const isGate = ({ first }) => first.every((value) => value >= 0 && value <= 1);

/** Of a step that begins in a learned initial state: the rows of its fields, or of their gradient. */
function initialRows(k, t, isGradient) {
  if (t !== 0 && !seen.anew.includes(t)) return [];
  return Object.entries(seen.initial[k]).map(([name, parts]) =>
    row(isGradient ? `∂L/∂${name}` : name, parts[isGradient ? 1 : 0]),
  );
}

function forward(step, t) {
  const parts = step.layers.map((layer, k) => {
    const rows = [...initialRows(k, t, false), row("x", layer.x)];
    for (const [name, value] of Object.entries(layer.sums)) rows.push(row(`s ${name}`, value));
    for (const [name, value] of Object.entries(layer.gates)) {
      rows.push(row(name, value));
      if (isGate(value)) rows.push(circles(name, value));
    }
    for (const [name, value] of Object.entries(layer.state)) rows.push(row(name, value));
    return table(say("layerName", { n: k + 1, cell: seen.cells[k] }), rows);
  });
  const outputs = step.outputs.map(({ label, y, p }) =>
    element(
      "tr",
      { "data-name": label, class: label === step.target ? "target" : null },
      element("th", { scope: "row" }, element("bdi", {}, label)),
      figure(y),
      figure(p, 6),
      element("td", { class: "step-bar" }, bar(p)),
    ),
  );
  const heads = ["", "y", "softmax", ""].map((head) => element("th", { scope: "col", class: "figure" }, head));
  const output = table(say("stepsOutput"), outputs, heads);
  const said =
    step.target === null
      ? say("stepsNoTarget")
      : say("stepsTarget", { label: step.target, loss: number(step.loss, 6), p: percent(Math.exp(-step.loss)) });
  return [...parts, output, element("p", { id: "stepsLoss" }, said)];
}

/** The cells of a matrix's row; the first keeps away from the matrix before it. */
function numbers(row) {
  const cells = row.map((v) => figure(v));
  cells[0].classList.add("part");
  return cells;
}

/** Weights, their gradient, and what one step of gradient descent makes of them. */
function update() {
  const { rate, loss, layers, embedding } = seen.update;
  const tables = layers.flatMap((layer, k) => {
    const name = k < seen.cells.length ? say("layerName", { n: k + 1, cell: seen.cells[k] }) : say("stepsOutput");
    return Object.entries(layer).map(([matrix, parts]) => updated(name, matrix, parts));
  });
  if (embedding) tables.unshift(updated(say("stepsEmbedding"), "E", embedding.parts, embedding.labels));
  const words = { eta: plain(rate), loss: number(seen.loss, 6), after: number(loss, 6) };
  return [element("p", { id: "stepsUpdated" }, say("stepsUpdated", words)), ...tables];
}

/** A matrix, its gradient, and the matrix after the update. labels: of its rows, where they have names. */
function updated(name, matrix, parts, labels = null) {
  const heads = [matrix, `∂L/∂${matrix}`, `${matrix} − ${plain(seen.update.rate)} ∂L/∂${matrix}`].map((head, part) =>
    element("th", { scope: "colgroup", colspan: String(parts[part].first[0].length), class: "part" }, head),
  );
  const rows = parts[0].first.map((_, r) => {
    const label = labels ? [element("th", { scope: "row" }, element("bdi", {}, labels[r]))] : [];
    return element("tr", { "data-name": matrix }, ...label, ...parts.flatMap(({ first }) => numbers(first[r])));
  });
  const [high, wide] = parts[0].size;
  const cut = parts[0].first.length < high || parts[0].first[0].length < wide;
  const caption = cut ? `${name} … ${number(high)} × ${number(wide)}` : name;
  return table(caption, rows, labels ? [element("th", {}), ...heads] : heads);
}

function backward(step, t) {
  const ends = t + 1 < seen.steps.length && seen.steps[t + 1].block !== step.block;
  const over = seen.blocks.filter(([first, fresh]) => first <= t && t < fresh);
  const cut = ends && !over.length;
  const parts = step.layers.map((layer, k) => {
    const rows = Object.entries(layer.gradient).flatMap(([name, value]) => {
      const norm = element("th", { scope: "row" }, `‖∂L/∂${name}‖`);
      return [row(`∂L/∂${name}`, value), element("tr", {}, norm, figure(layer.norms[name], 6))];
    });
    rows.push(...initialRows(k, t, true));
    const shares = Object.entries(layer.shares).map(([name, { norm, share }]) => {
      const come = seen.steps.slice(t).reduce((sum, one) => sum + one.layers[k].shares[name].share, 0);
      return element(
        "tr",
        { "data-name": name },
        element("th", { scope: "row" }, `∂L/∂${name}`),
        figure(norm, 6),
        figure(share, 6),
        element("td", { class: "step-bar" }, bar(share)),
        element("td", { class: "figure", "data-value": String(come) }, percent(come)),
      );
    });
    const heads = ["", say("stepsSize"), say("stepsShare"), "", say("stepsSoFar")].map((head) =>
      element("th", { scope: "col", class: "figure" }, head),
    );
    return [
      table(say("layerName", { n: k + 1, cell: seen.cells[k] }), rows),
      table("", shares, heads),
    ];
  });
  const notes = cut ? [element("p", { class: "notice" }, say(seen.anew.includes(t + 1) ? "stepsLineEnds" : "stepsCut"))] : [];
  if (over.length) {
    const numbers = over.map((block) => number(seen.blocks.indexOf(block) + 1)).join(", ");
    notes.push(element("p", { class: "notice" }, say("stepsOver", { blocks: numbers, n: number(over[0][0] + 1) })));
  }
  return [...notes, ...parts.flat()];
}

function table(caption, rows, heads = []) {
  const head = heads.length ? [element("thead", {}, element("tr", {}, ...heads))] : [];
  return element("table", { class: "numbers" }, element("caption", {}, caption), ...head, element("tbody", {}, ...rows));
}

function fill() {
  fillSelect(find("stepsModel"), [
    ["", say("stepsThis")],
    ["after", say("stepsHelloAfter")],
    ["before", say("stepsHelloBefore")],
  ]);
  fillSelect(
    find("stepsCell"),
    CELLS.map((cell) => [cell, cell]),
  );
  find("stepsCellPart").hidden = example() === "";
}

function begin() {
  const own = example() === "";
  find("stepsCellPart").hidden = own;
  find("stepsText").value = own ? text.typed().slice(-TAIL) : HELLO;
  find("stepsThen").value = "";
}

function press(event) {
  const moves = { ArrowRight: 1, ArrowLeft: -1 };
  if (!seen || !(event.key in moves)) return;
  event.preventDefault();
  go(at + moves[event.key]);
}

export function startSteps() {
  fill();
  find("stepsModel").addEventListener("change", () => {
    begin();
    refresh();
  });
  const rested = settled(400, refresh);
  find("stepsCell").addEventListener("change", () => refresh());
  for (const name of ["stepsText", "stepsThen", "stepsBlock", "stepsReach"]) find(name).addEventListener("input", rested);
  find("stepsBack").addEventListener("click", () => go(at - 1));
  find("stepsNext").addEventListener("click", () => go(at + 1));
  find("stepsNow").addEventListener("keydown", press);
  on("tab", (name) => {
    if (name !== "steps") return;
    if (!seen && find("stepsText").value === "") {
      if (text.typed() === "") find("stepsModel").value = "after";
      begin();
    }
    refresh();
  });
  on("language", () => {
    fill();
    if (problem) refresh();
    else show();
  });
  on("model", () => {
    [seen, problem] = [null, ""];
    offer("steps", isWriter());
    show();
    refresh();
  });
}
