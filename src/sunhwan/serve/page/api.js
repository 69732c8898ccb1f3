/** Requests to the server: one function an address. */

import { say } from "./messages.js";

/** A refusal of the server: its status (0: not reached) and its one sentence. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, body, signal) {
  const how = { signal, cache: "no-store", headers: { "Accept-Language": document.documentElement.lang } };
  if (body !== undefined) {
    how.method = "POST";
    how.headers["Content-Type"] = "application/json";
    how.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, how);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, say("unreachable"));
  }
  if (!answer.ok) {
    const said = await answer.json().catch(() => null);
    throw new Refusal(answer.status, said?.error?.message ?? say("refused", { n: answer.status }));
  }
  return answer;
}

const asked = async (...given) => (await ask(...given)).json();
const named = (id) => encodeURIComponent(id);

export const models = async () => (await asked("/api/models")).models;
export const next = (body) => asked("/api/next", body);

/** A value of a layer, by {stack, index}, while a model reads a text; of these units, null: of all. */
export const trace = (model, text, { stack, index }, value, units = null) =>
  asked("/api/trace", { model: model.id, text, stack, layer: index, values: [value], units });

/** A text unrolled: every number of each step, forward and backward. */
export const steps = (body) => asked("/api/steps", body);

export const predict = (body) => asked("/api/predict", body);
export const attribution = (body) => asked("/api/attribution", body);
export const losses = (id, since) => asked(`/api/losses/${named(id)}?since=${since}`);
export const report = (id) => asked(`/api/report/${named(id)}`);
export const reportPage = (id) => `/report/${named(id)}`;

/** The events of /v1/completions, one by one as they come (server-sent events). */
export async function* completions(body, signal) {
  const answer = await ask("/v1/completions", { ...body, stream: true }, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    held += value;
    const events = held.split("\n\n");
    held = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: ?/, "");
      if (data === "[DONE]") return;
      const said = JSON.parse(data);
      if (said.error) throw new Refusal(500, said.error.message);
      yield said;
    }
  }
}
