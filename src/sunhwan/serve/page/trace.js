/** Colours of the text: by surprise, by a unit, or by attribution. */

import { showActive } from "./active.js";
import * as api from "./api.js";
import { on, oneAtATime, settled } from "./bus.js";
import { amounts, css, scaleOf } from "./colours.js";
import { element, fillSelect, find } from "./dom.js";
import { groupsOf, placesIn, surpriseOf, valueOf } from "./groups.js";
import { showLegend } from "./legend.js";
import { chosen, isWriter, layersOf } from "./models.js";
import { calm, complain } from "./problem.js";
import { question } from "./question.js";
import * as text from "./text.js";
import { layer, lookAt, unit, value } from "./unit.js";
import { number, percent, say } from "./messages.js";

const LIMIT = 20000; // characters that the server traces
const EXPLAINED = 600; // characters of which it says what mattered
const SURPRISED = 8; // nats from which a character is as dark as can be

let mode = "plain";
let position = null; // the step whose prediction is explained; null: the last, or what comes next
let seen = null; // {mode, whole, start, stack, value, unit, answer}: what the server said last

const refresh = oneAtATime(async () => {
  const model = chosen();
  const whole = question();
  const asked = mode;
  // What comes next is explained by the end of a text.
  const start = asked === "mattered" && isWriter() ? Math.max(whole.length - EXPLAINED, 0) : 0;
  const read = whole.slice(start, start + (asked === "mattered" ? EXPLAINED : LIMIT));
  find("clipped").textContent = read.length < whole.length ? say("tooLong") : "";
  const place = layer();
  if (!model?.ready || asked === "plain" || !read.trim() || (asked !== "mattered" && !place)) {
    seen = null;
    colour();
    return;
  }
  try {
    const stack = asked === "mattered" ? null : place.stack;
    const found = { mode: asked, whole, start, stack, value: value(), unit: unit() };
    const asking = asked === "mattered" ? mattering(model, read) : tracing(model, read, place);
    const answer = await asking;
    if (model.id !== chosen()?.id) return;
    calm("trace");
    seen = { ...found, answer };
    colour();
  } catch (error) {
    complain("trace", error);
  }
});

const mattering = (model, read) => api.attribution({ model: model.id, text: read, position });

const tracing = (model, read, place) => api.trace(model, read, place, value(), [unit()]);

/** What mattered as {groups, scale, figure(group), note(group), legend}. */
function matteredView() {
  const { answer } = seen;
  const values = answer[find("way").value];
  const groups = groupsOf(answer.pieces);
  // Of a character of several steps all count.
  const figure = ({ steps }) => steps.reduce((all, step) => all + (values[step] ?? 0), 0);
  return {
    groups,
    figure,
    scale: scaleOf(groups.map(figure), false),
    note: (group) => say("noteMattered", { v: number(figure(group), 4) }),
    legend: say("legendMattered", { said: answer.predicted, p: percent(answer.probability) }),
  };
}

/** Surprise, or the values of a unit, in the same shape; a note tells both. */
function tracedView() {
  const { answer } = seen;
  const row = answer.values[seen.value]?.[0] ?? [];
  const names = { value: seen.value, n: seen.unit };
  const own = (group) => valueOf(group, row);
  const surprise = (group) => surpriseOf(group, answer.surprise);
  const note = (group) => {
    const [nats, amount] = [surprise(group), own(group)];
    const said = [];
    if (nats !== null) {
      said.push(say("noteSurprise", { n: number(nats, 3), p: percent(Math.exp(-nats)) }));
    } else if (isWriter()) said.push(say("noteNothing"));
    if (amount !== null) said.push(say("noteUnit", { ...names, v: number(amount, 3) }));
    return said.join(" · ");
  };
  const groups = groupsOf(answer.pieces);
  if (mode === "surprise") {
    const scale = { ...amounts(SURPRISED, "--amount"), more: true };
    return { groups, figure: surprise, scale, note, legend: say("legendSurprise") };
  }
  const isGate = row.length > 0 && row.every((amount) => amount >= 0 && amount <= 1);
  return {
    groups,
    figure: own,
    scale: scaleOf(row, isGate),
    note,
    legend: say("legendUnit", names),
  };
}

/** Colour the text by what was seen last. */
function colour() {
  find("strip").hidden = true;
  if (!seen || mode === "plain") {
    text.setColours(text.typed(), []);
    showLegend(null);
    showHere();
    return;
  }
  const { groups, scale, figure, note, legend } =
    seen.mode === "mattered" ? matteredView() : tracedView();
  const noted = groups.map((group) => {
    const amount = figure(group);
    const name = group.text.trim() || (seen.answer.labels?.[group.steps[0]] ?? group.text);
    const said = [`“${name}”`, note(group)].filter(Boolean).join(" · ");
    return { fill: amount === null ? null : scale.fill(amount), note: said, value: amount, group };
  });
  // A decoder reads what the model wrote itself, not what was typed.
  const places = seen.stack === "decoder" ? null : placesIn(seen.whole, groups, seen.start);
  if (places) {
    const parts = noted.map((one, k) => ({ ...one, start: places[k][0], end: places[k][1] }));
    text.setColours(
      seen.whole,
      parts.filter(({ start, end }) => end > start),
    );
  } else {
    text.setColours(text.typed(), []);
    find("strip").hidden = groups.length === 0;
    find("stripText").replaceChildren(...noted.map(stripPiece));
  }
  showLegend(scale, legend);
  showHere();
}

function stripPiece({ group, fill, note }) {
  const span = element("span", { class: "piece", title: note }, group.text);
  if (fill) span.style.backgroundColor = css(fill);
  return span;
}

function showHere() {
  find("here").textContent = text.atCaret()?.note ?? "";
}

/** Explain the character or the tag at the caret; of a text, behind its end, what comes next. */
function explainCaret() {
  const each = Boolean(chosen()?.labels_steps);
  if (mode !== "mattered" || !each || text.isComposing()) return;
  const step = text.atCaret()?.group.steps.at(-1) ?? null;
  const wanted = isWriter() && (text.atEnd() || step === 0) ? null : step;
  if (wanted === position) return;
  position = wanted;
  refresh();
}

function setMode(wanted) {
  mode = wanted;
  for (const radio of document.querySelectorAll("input[name=mode]")) {
    radio.checked = radio.value === mode;
  }
  find("unitControls").hidden = mode !== "unit";
  find("matteredControls").hidden = mode !== "mattered";
  refresh();
}

function fillWays() {
  const names = ["gradient_x_input", "occlusion"];
  fillSelect(
    find("way"),
    names.map((name) => [name, say(name)]),
  );
}

export function startTrace() {
  for (const radio of document.querySelectorAll("input[name=mode]")) {
    radio.addEventListener("change", () => setMode(radio.value));
  }
  find("way").addEventListener("change", colour);
  const rested = settled(200, refresh);
  on("text", () => {
    position = null;
    rested();
  });
  on("unitChanged", () => refresh());
  on("caret", showHere);
  on("caret", settled(300, explainCaret));
  on("explain", (step) => {
    position = step;
    setMode("mattered");
  });
  on("pointed", () => {
    if (mode === "unit") showActive();
  });
  on("unit", (wanted) => {
    lookAt(wanted);
    setMode("unit");
  });
  on("language", () => {
    fillWays();
    colour();
  });
  on("model", () => {
    seen = null;
    position = null;
    const blind = layersOf(chosen()).length === 0;
    find("modes").hidden = blind;
    find("surpriseChoice").hidden = !isWriter();
    find("unitChoice").hidden = blind;
    find("activeUnits").hidden = blind;
    fillWays();
    setMode(blind ? "plain" : isWriter() ? "surprise" : "mattered");
  });
}
