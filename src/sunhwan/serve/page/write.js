/** Generation: sampling settings, and the text as it comes. */

import * as api from "./api.js";
import { on, tell } from "./bus.js";
import { find } from "./dom.js";
import { chosen, isWriter } from "./models.js";
import { calm, complain } from "./problem.js";
import * as text from "./text.js";
import { number, say } from "./messages.js";

let running = null;

export const isWriting = () => running !== null;

const valueOf = (id) => Number(find(id).value);

/** How tokens are drawn, as the sliders stand. */
export const options = () => ({
  temperature: valueOf("temperature"),
  top_k: valueOf("topK"),
  top_p: valueOf("topP"),
});

function showOptions() {
  const { temperature, top_k, top_p } = options();
  find("temperatureSaid").textContent = number(temperature, 2);
  find("topKSaid").textContent = top_k ? number(top_k) : say("all");
  find("topPSaid").textContent = number(top_p, 2);
  find("seed").placeholder = say("drawn");
}

function showButton() {
  const button = find("write");
  button.textContent = say(running ? "stop" : "writeOn");
  button.classList.toggle("running", Boolean(running));
}

async function write() {
  const model = chosen();
  if (!model?.ready) return;
  running = new AbortController();
  const stopper = running;
  text.lock(true);
  text.setGhost("");
  text.reveal();
  showButton();
  const seed = find("seed").value.trim();
  const question = {
    model: model.id,
    prompt: text.typed(),
    max_tokens: Math.max(1, valueOf("length") || 1),
    ...options(),
    ...(seed === "" ? {} : { seed: Number(seed) }),
  };
  try {
    for await (const said of api.completions(question, stopper.signal)) {
      text.append(said.choices?.[0]?.text ?? "");
      if (said.seed !== undefined) find("seedSaid").textContent = say("seedWas", { n: said.seed });
    }
    calm("write");
  } catch (error) {
    complain("write", error);
  } finally {
    running = null;
    text.lock(false);
    showButton();
    tell("written");
  }
}

export function startWrite() {
  for (const id of ["temperature", "topK", "topP"]) {
    find(id).addEventListener("input", () => {
      showOptions();
      tell("options");
    });
  }
  find("write").addEventListener("click", () => (running ? running.abort() : write()));
  find("clear").addEventListener("click", () => {
    running?.abort();
    text.setText("");
    find("text").focus();
  });
  on("language", () => {
    showOptions();
    showButton();
  });
  on("model", () => {
    running?.abort();
    find("writing").hidden = !isWriter();
  });
  showOptions();
  showButton();
}
