// Encoder-decoders: what is read → a text about it, token by token.
const { decoder: DECODER } = MODEL, WRITTEN = texts(MODEL.vocabulary), { unk_id: UNK, eos_id: EOS } = MODEL.vocabulary;
const NEVER = new Set(UNK === null ? [] : [UNK]);

// Read

// What is read → its memory: the summary, and the rows that attention looks at; what has one step has no rows.
function memoryOf(given) {
  if (!MODEL.stack) return { summary: embedded(given), rows: null };
  const rows = encoded(read(given));
  return { summary: pooled(MODEL.pooling, rows), rows };
}

// Write

// The state before a text: made of the summary, in every layer.
function begin({ summary, rows }) {
  const { first, fields, stack, attention, fed } = DECODER, values = linear(first, summary).map(tanh);
  for (const { layers: [layer] } of stack) STEPS[layer].reset();
  for (const [layer, name, start, end] of fields) STEPS[layer].state[name].set(values.subarray(start, end));
  return { summary, rows, projected: attention && projected(attention, rows), fed: fed && new Float32Array(fed) };
}

// The last token, EOS before the first → log p of the next, and where the model looked.
function step(state, token) {
  const { attention, embedding, combine, output, size } = DECODER, beside = [row(embedding, token, size)];
  if (!attention) beside.push(state.summary);
  if (state.fed) beside.push(state.fed);
  const y = onward(DECODER.stack, joined(...beside));
  const { context, weights } = attention ? attend(attention, y, state) : { context: state.summary, weights: null };
  const vector = linear(combine, joined(y, context)).map(tanh), scores = linear(output, vector);
  if (state.fed) state.fed = vector;
  const top = scores.reduce((a, b) => Math.max(a, b)), total = scores.reduce((sum, v) => sum + Math.exp(v - top), 0);
  return { logP: Array.from(scores, v => v - top - Math.log(total)), weights };
}

// What the model says about what was given: { text, ids, looks: the weights at each token, share: its probability }.
function write(given, temperature = 0) {
  const state = begin(memoryOf(given)), ids = [], looks = [];
  let token = EOS, total = 0;
  while (ids.length < MODEL.limit) {
    const { logP, weights } = step(state, token);
    token = chosen(logP, NEVER, temperature);
    total += logP[token];
    if (token === EOS) break;
    ids.push(token);
    looks.push(weights);
  }
  return { text: WRITTEN.decode(ids), ids, looks, share: Math.exp(total) };
}
