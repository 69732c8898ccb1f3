/** Answers of models of the other tasks: labels, tags, texts, and their attention. */

import * as api from "./api.js";
import { on, oneAtATime, settled, tell } from "./bus.js";
import { amounts, css } from "./colours.js";
import { bar, element, find } from "./dom.js";
import { showForecast } from "./forecast.js";
import { HeatMap } from "./heatmap.js";
import { chosen, isForecaster, isWriter } from "./models.js";
import { calm, complain } from "./problem.js";
import { parts } from "./question.js";
import { number, percent, say } from "./messages.js";

const LABELS = 12; // bars of so many labels, the likeliest
const HUES = 8; // colours of tags; of more they come again

const FIELDS = { beam: "beam", answers: "n", answerTemperature: "temperature", answerSeed: "seed" };

let answer = null;
let drawn = []; // the further answers to the same question
let series = ""; // what a forecast goes on from

const writes = () => Boolean(chosen()?.options?.includes("beam"));

const map = new HeatMap(find("attention"), {
  moved: (row, column) => {
    const { source, target, weights } = answer.alignment;
    const said = `${target[row]} ← ${source[column]}: ${percent(weights[row][column])}`;
    find("attentionCell").textContent = said;
  },
  // What mattered for this piece of the answer.
  chose: (row) => tell("explain", row),
});

/** The options of a model that writes, those that were filled in. */
function options() {
  const given = {};
  for (const [id, name] of Object.entries(FIELDS)) {
    const field = find(id);
    if (writes() && field.value !== "" && field.validity.valid) given[name] = field.valueAsNumber;
  }
  return given;
}

const ask = oneAtATime(async () => {
  const model = chosen();
  if (!model?.ready || isWriter()) return;
  const cells = parts();
  if (cells.every((cell) => cell.trim() === "")) {
    answer = null;
    calm("answer");
    show();
    return;
  }
  find("answer").setAttribute("aria-busy", "true");
  try {
    // Behind the last line of a series there may be a line break.
    const text = isForecaster() ? cells[0].trim() : cells[0];
    const question = cells.length > 1 ? cells : text;
    const said = await api.predict({ model: model.id, questions: [question], options: options() });
    if (model.id !== chosen()?.id) return;
    [answer, ...drawn] = said.answers;
    series = text;
    calm("answer");
    show();
  } catch (error) {
    // A chart of another series than the one that is refused would mislead.
    if (isForecaster()) answer = null;
    complain("answer", error);
    show();
  } finally {
    find("answer").setAttribute("aria-busy", "false");
  }
});

function labelBars(probabilities) {
  const ranked = Object.entries(probabilities).sort(([, one], [, other]) => other - one);
  const rows = ranked
    .slice(0, LABELS)
    .map(([label, probability]) =>
      element(
        "li",
        { class: "candidate" },
        element("bdi", { class: "token" }, label),
        bar(probability),
        element("span", { class: "figure" }, percent(probability)),
      ),
    );
  return element("ol", { class: "candidates labels" }, ...rows);
}

function tagged(rows) {
  const labels = chosen().labels ?? [...new Set(rows.map(([, tag]) => tag))];
  return element(
    "p",
    { class: "tagged" },
    ...rows.map(([word, tag]) => {
      const hue = tag === "O" ? "none" : Math.max(labels.indexOf(tag), 0) % HUES;
      return element(
        "span",
        { class: "tagged-word", "data-hue": hue },
        element("bdi", {}, word),
        element("small", {}, element("bdi", {}, tag)),
      );
    }),
  );
}

function written() {
  const found = (answer.values.answers ?? []).slice(1).map(({ output }) => String(output));
  const others = [...found, ...drawn.map(({ text }) => text)];
  const first = element("p", { class: "written" }, element("bdi", {}, answer.text));
  if (!others.length) return [first];
  const list = others.map((text) => element("li", {}, element("bdi", {}, text)));
  return [first, element("h3", {}, say("others")), element("ol", {}, ...list)];
}

/** The answer, and the passage in the colours of where it looked; the evidence is underlined. */
function evidenced({ values, alignment }) {
  const [from, to] = values.evidence_words;
  const { fill } = amounts(1, "--gate");
  const words = alignment.source.map((word, place) => {
    const weight = alignment.weights[0][place];
    const evidence = place >= from && place < to ? "evidence" : null;
    const one = element("span", { class: evidence, title: percent(weight) }, `${word} `);
    one.style.background = css(fill(weight));
    return one;
  });
  return [
    element("p", { class: "written" }, element("bdi", {}, values.answer), ` ${percent(values.probability)}`),
    element("h3", {}, say("evidence")),
    element("p", { class: "passage" }, element("bdi", {}, ...words)),
  ];
}

function content() {
  if (isForecaster()) return answer ? [] : [element("p", { class: "quiet" }, say("noForecast"))];
  if (!answer) return [element("p", { class: "quiet" }, say("noAnswer"))];
  const { values, rows } = answer;
  if (values.probabilities) return [labelBars(values.probabilities)];
  if (values.evidence_words && answer.alignment) return evidenced(answer);
  if (rows?.length) return [tagged(rows)];
  return written();
}

function show() {
  find("answer").replaceChildren(...content());
  showForecast(series, isForecaster() && answer ? [answer, ...drawn] : []);
  const alignment = answer?.values.evidence_words ? null : answer?.alignment;
  find("attentionPart").hidden = !alignment;
  find("attentionCell").textContent = "";
  if (!alignment) return;
  const { source, target, weights } = alignment;
  map.show({
    rows: target,
    columns: source,
    values: weights,
    scale: amounts(1, "--gate"),
    size: 20,
  });
  const words = { rows: number(target.length), columns: number(source.length) };
  find("attention").setAttribute("aria-label", say("attentionOf", words));
}

export function startTasks() {
  // What is slow to answer is asked for, what is quick comes by itself.
  const rested = settled(250, () => !writes() && ask());
  find("ask").addEventListener("click", () => ask());
  find("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) ask();
  });
  on("text", rested);
  on("theme", () => map.draw());
  on("language", show);
  on("model", () => {
    answer = null;
    find("answering").hidden = !chosen() || isWriter();
    find("askControls").hidden = !writes();
    find("answering").classList.toggle("forecasting", isForecaster());
    show();
    rested();
  });
}
