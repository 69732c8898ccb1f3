/** Chosen unit: its layer, its value (state or gate) and its number, in fields. */

import { on, tell } from "./bus.js";
import { fillSelect, find } from "./dom.js";
import { chosen, layersOf } from "./models.js";
import { called } from "./messages.js";

let number = 0;

/** The layer of the unit, undefined in a model without layers. */
export const layer = () => layersOf(chosen()).find(({ key }) => key === find("layer").value);

export const value = () => find("value").value;

export const unit = () => number;

/** Look at a unit {stack, layer, value, unit}; what is left out stays. */
export function lookAt(wanted) {
  if (wanted.stack !== undefined) {
    find("layer").value = `${wanted.stack}/${wanted.layer}`;
    fillValues();
  }
  if (wanted.value !== undefined) find("value").value = wanted.value;
  number = wanted.unit;
  find("unit").value = String(number);
}

function fillLayers() {
  const options = layersOf(chosen()).map(({ key, label }) => [key, label]);
  fillSelect(find("layer"), options);
  fillValues();
}

function fillValues() {
  const { values = [], hidden_size = 1 } = layer() ?? {};
  fillSelect(
    find("value"),
    values.map((name) => [name, called(name)]),
  );
  number = Math.min(number, hidden_size - 1);
  find("unit").max = String(hidden_size - 1);
  find("unit").value = String(number);
}

export function startUnit() {
  find("layer").addEventListener("change", () => {
    fillValues();
    tell("unitChanged");
  });
  find("value").addEventListener("change", () => tell("unitChanged"));
  find("unit").addEventListener("input", ({ target }) => {
    if (target.value === "" || !target.validity.valid) return;
    number = target.valueAsNumber;
    tell("unitChanged");
  });
  on("language", fillLayers);
  on("model", () => {
    number = 0;
    fillLayers();
  });
}
