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

// A text drawn at random: { text, ids, looks: the weights at each token, share: its probability }.
function drawn(given, temperature) {
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

// Where the decoder stands, and back to it.
const layersOf = () => DECODER.stack.flatMap(({ layers: [layer] }) => Object.values(STEPS[layer].state));
const saved = ({ fed }) => ({ fed, layers: layersOf().map(v => v.slice()) });
function resume(state, { fed, layers }) {
  state.fed = fed;
  layersOf().forEach((v, n) => v.set(layers[n]));
}

// The places of so many values that are largest, in order.
function largest(values, count) {
  const best = [];
  values.forEach((v, n) => {
    if (best.length === count && v <= values[best.at(-1)]) return;
    let at = best.length;
    while (at && values[best[at - 1]] < v) at--;
    best.splice(at, 0, n);
    if (best.length > count) best.pop();
  });
  return best;
}

// The likeliest texts by beam search, the best by log p / ((5 + length) / 6)^α first (Wu et al. 2016), as
// sunhwan.generation.beam finds them; with a beam of 1 greedily.
function search(given, beam = MODEL.beam) {
  const state = begin(memoryOf(given)), found = [], score = ({ total }, length) => total / ((5 + length) / 6) ** MODEL.alpha;
  let open = [{ ids: [], looks: [], total: 0, last: EOS, at: saved(state) }];
  for (let length = 1; open.length; length++) {
    const ways = open.flatMap(text => {
      resume(state, text.at);
      const { logP, weights } = step(state, text.last), at = saved(state);
      for (const never of NEVER) logP[never] = -Infinity;
      return largest(logP, beam).map(token => ({ ...text, total: text.total + logP[token], last: token, weights, at }));
    });
    open = [];
    for (const place of largest(ways.map(way => way.total), beam - found.length)) {
      const { ids, looks, total, last, weights, at } = ways[place], ends = last === EOS;
      const text = { ids: ends ? ids : [...ids, last], looks: ends ? looks : [...looks, weights], total, last, at };
      if (total === -Infinity) continue;
      if (ends || length === MODEL.limit) found.push({ ...text, score: score(text, length) });
      else open.push(text);
    }
  }
  return found.sort((a, b) => b.score - a.score).map(({ ids, looks, total }) => ({ text: WRITTEN.decode(ids), ids, looks, share: Math.exp(total) }));
}
