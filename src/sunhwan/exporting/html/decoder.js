// Encoder-decoders: what is read → a text about it, token by token.
const { decoder: DECODER } = MODEL, WRITTEN = texts(MODEL.vocabulary), { unk_id: UNK, eos_id: EOS } = MODEL.vocabulary;
const NEVER = new Set(UNK === null ? [] : [UNK]);

// Read

// A text → its memory: the summary, and the rows that attention looks at.
function memoryOfText(text) {
  const rows = encoded(read(text));
  return { summary: pooled(MODEL.pooling, rows), rows };
}

// 3 × 3, with a border of 0: x (channels, side, side) → (units, side', side'), side' = ⌈side / stride⌉.
function convolved({ channels, side, stride, ...layer }, x) {
  const small = Math.ceil(side / stride), area = small ** 2, found = new Float32Array(layer.units * area);
  const patch = new Float32Array(9 * channels), inside = n => n >= 0 && n < side;
  for (let p = 0; p < area; p++) {
    const top = Math.floor(p / small) * stride - 1, left = p % small * stride - 1;
    for (let n = 0; n < patch.length; n++) {
      const channel = Math.floor(n / 9), i = top + Math.floor(n % 9 / 3), j = left + n % 3;
      patch[n] = inside(i) && inside(j) ? x[channel * side ** 2 + i * side + j] : 0;
    }
    linear(layer, patch).forEach((v, unit) => { found[unit * area + p] = v; });
  }
  return found;
}

// Numbers as they are read, an image row by row, or the numbers of labels → their memory, which has no rows.
function memoryOfStep(given) {
  const { tables, layers } = MODEL.reader, { mean, deviation } = MODEL.source;
  if (tables) return { summary: joined(...tables.map(({ table, size }, n) => row(table, given[n], size))), rows: null };
  let x = Float32Array.from(given, (v, n) => (v - mean[n]) / deviation[n]);
  for (const layer of layers) x = layer === "relu" ? x.map(v => Math.max(v, 0)) : layer.stride ? convolved(layer, x) : linear(layer, x);
  return { summary: x, rows: null };
}

const memoryOf = given => MODEL.reader ? memoryOfStep(given) : memoryOfText(given);

// Write

// The state before a text: made of the summary, in every layer.
function begin({ summary, rows }) {
  const { first, fields, stack, attention, fed } = DECODER, values = linear(first, summary).map(tanh);
  for (const { layers: [layer] } of stack) STEPS[layer].reset();
  for (const [layer, name, start, end] of fields) STEPS[layer].state[name].set(values.subarray(start, end));
  const projected = attention?.key ? rows.map(row => linear(attention.key, row)) : rows;
  return { summary, rows, projected, fed: fed && new Float32Array(fed) };
}

const dot = (a, b) => a.reduce((sum, v, n) => sum + v * b[n], 0);

// What is read at this step: the mean of the rows, weighted by how well each fits.
function attend(query, { rows, projected }) {
  const { query: asks, score, size } = DECODER.attention, zero = new Float32Array(size);
  if (!rows.length) return { context: zero, weights: [] };
  const asked = asks ? linear(asks, query) : query;
  const scores = projected.map(key => asks ? linear(score, key.map((v, n) => tanh(v + asked[n])))[0] : dot(key, asked));
  const weights = softmax(scores);
  return { weights, context: zero.map((_, n) => rows.reduce((sum, h, s) => sum + weights[s] * h[n], 0)) };
}

// The last token, EOS before the first → log p of the next, and where the model looked.
function step(state, token) {
  const { attention, embedding, combine, output, size } = DECODER, beside = [row(embedding, token, size)];
  if (!attention) beside.push(state.summary);
  if (state.fed) beside.push(state.fed);
  const y = onward(DECODER.stack, joined(...beside));
  const { context, weights } = attention ? attend(y, state) : { context: state.summary, weights: null };
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
