/** Served models, and the chosen one. */

import * as api from "./api.js";
import { on, tell } from "./bus.js";
import { fillSelect, find } from "./dom.js";
import { calm, complain, forget } from "./problem.js";
import { called, number, say } from "./messages.js";

const AGAIN = 5000; // milliseconds until a model that trains is asked for again

let models = [];
let model = null;

/** The model that is looked at: null before there is any. */
export const chosen = () => model;

export const isWriter = () => Boolean(model?.continues_text);

export const isForecaster = () => Boolean(model?.forecasts);

/** All layers of a model that can be looked into, with the name of each for people. */
export function layersOf(one) {
  const stacks = one?.stacks ?? [];
  return stacks.flatMap(({ name, layers }) =>
    layers.map((layer) => {
      const both = layers.some(({ direction }) => direction === "backward");
      const level = both ? layer.index >> 1 : layer.index;
      const label = [
        ...(stacks.length > 1 ? [called(name)] : []),
        say("layerName", { n: level + 1, cell: layer.cell }),
        ...(both ? [called(layer.direction)] : []),
      ].join(" · ");
      return { ...layer, level, stack: name, key: `${name}/${layer.index}`, label };
    }),
  );
}

/** What kind of model it is, in one line. */
function description() {
  if (!model) return "";
  const layers = layersOf(model);
  const said = [model.title[document.documentElement.lang] ?? model.task, ...new Set(layers.map(({ cell }) => cell))];
  const levels = new Set(layers.map(({ stack, level }) => `${stack}/${level}`)).size;
  if (levels) said.push(say("layers", { n: number(levels) }));
  const sizes = [...new Set(layers.map((layer) => layer.hidden_size))];
  if (sizes.length === 1) said.push(say("units", { n: number(sizes[0]) }));
  const { parameters } = model.facts ?? {};
  if (Number.isFinite(parameters)) said.push(say("parameters", { n: number(parameters) }));
  const { kind, size } = model.vocabulary ?? {};
  if (kind) said.push(say("vocabulary", { kind: called(kind), n: number(size) }));
  return said.join(" · ");
}

function show() {
  find("facts").textContent = models.length ? description() : say("noModels");
  const state = find("state");
  state.classList.toggle("training", Boolean(model?.training));
  state.textContent = model?.training ? say("training") : "";
  const waiting = find("waiting");
  waiting.hidden = !model || model.ready;
  waiting.textContent = waiting.hidden ? "" : say("notReady", { reason: model.reason ?? "" });
}

function choose(id) {
  model = models.find((one) => one.id === id) ?? models[0] ?? null;
  if (model) {
    find("model").value = model.id;
    history.replaceState(null, "", `#${encodeURIComponent(model.id)}`);
  }
  forget();
  show();
  tell("model", model);
}

async function look() {
  try {
    models = await api.models();
  } catch (error) {
    complain("models", error);
    return;
  }
  calm("models");
  fillSelect(
    find("model"),
    models.map(({ id }) => [id, id]),
  );
  const found = models.find(({ id }) => id === model?.id);
  const changed = !found || found.ready !== model.ready || found.task !== model.task;
  if (changed) {
    choose(found?.id ?? named());
    return;
  }
  model = found;
  show();
  tell("modelAgain", model);
}

function named() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

export async function startModels() {
  find("model").addEventListener("change", (event) => choose(event.target.value));
  on("language", show);
  await look();
  setInterval(() => {
    const moving = !models.length || models.some(({ ready, training }) => training || !ready);
    if (moving && !document.hidden) look();
  }, AGAIN);
  addEventListener("focus", look);
}
