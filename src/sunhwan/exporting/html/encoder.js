// Classifiers and taggers of text: what is read → what is said. It touches nothing of the page.
const { source: SOURCE, labels: LABELS } = MODEL;
const WORDS = SOURCE.kind === "words" && texts(SOURCE.words), LETTERS = WORDS && texts(SOURCE.letters);
const VOCABULARY = SOURCE.kind === "text" && texts(SOURCE.vocabulary);

// Layers

function linear({ W, b, units }, x) {
  const key = `${W}`, at = linear.rooms[key] ||= { x: floats(x.length), y: floats(units) };
  at.x.set(x);
  product(at.y, 0, at.x, 0, array(W), 0, x.length, units);
  const bias = b && array(b);
  return at.y.map((v, n) => bias ? v + bias[n] : v);
}
linear.rooms = {};

function joined(...parts) {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) { all.set(part, at); at += part.length; }
  return all;
}

function overTime(step, rows) {
  step.reset();
  return rows.map(row => { step.x.set(row); step.step(); return step.out.slice(); });
}

// A stack over rows x_1 … x_T → y_1 … y_T; of two directions the second reads from the end.
function stack(levels, rows) {
  for (const { layers: [onward, back], connection } of levels) {
    let y = overTime(STEPS[onward], rows);
    if (back !== undefined) {
      const turned = overTime(STEPS[back], [...rows].reverse()).reverse();
      y = y.map((h, t) => joined(h, turned[t]));
    }
    if (connection === undefined) rows = y;
    else {
      const around = STEPS[connection];
      rows = rows.map((x, t) => { around.x.set(x); around.out.set(y[t]); around.step(); return around.out.slice(0, around.size); });
    }
  }
  return rows;
}

// Reading

const row = (table, n, size) => array(table).subarray(n * size, (n + 1) * size);
const wordsOf = text => text.split(/\s+/).filter(Boolean);
const tokenOf = word => normal(word).replace(/\s/g, "_") || "_";

// A text → its steps: the numbers of tokens, or of words with those of their letters.
function read(text) {
  if (VOCABULARY) return VOCABULARY.encode(text).map(token => ({ token }));
  return wordsOf(text).map(word => {
    const spelled = LETTERS.encode(tokenOf(word));
    return { word: WORDS.places.get(tokenOf(word)) ?? SOURCE.words.unk_id,
      letters: spelled.length <= 64 ? spelled : [...spelled.slice(0, 32), ...spelled.slice(-32)] };
  });
}

function embedded({ token, word, letters }) {
  const input = MODEL.inputs;
  if (token !== undefined) return row(input.tokens, token, input.size);
  if (!letters.length) return joined(row(input.words, word, input.size), new Float32Array(input.spelled));
  const rows = letters.map(n => row(input.letters, n, input.letterSize));
  const ends = [stack(input.onward, rows).at(-1), stack(input.back, [...rows].reverse()).at(-1)];
  return joined(row(input.words, word, input.size), ...ends);
}

const encoded = steps => stack(MODEL.stack, steps.map(embedded));

// Classification

function softmax(scores) {
  const top = Math.max(...scores), e = Array.from(scores, v => Math.exp(v - top)), total = e.reduce((a, b) => a + b, 0);
  return e.map(v => v / total);
}

function pooled(y) {
  const { kind, size, directions, hidden, score } = MODEL.pooling, zero = new Float32Array(size);
  if (!y.length) return new Float32Array(kind === "concat" ? 3 * size : size);
  const of = {
    last: () => directions === 1 ? y.at(-1) : joined(y.at(-1).subarray(0, size / 2), y[0].subarray(size / 2)),
    mean: () => zero.map((_, n) => y.reduce((sum, h) => sum + h[n], 0) / y.length),
    max: () => zero.map((_, n) => y.reduce((most, h) => Math.max(most, h[n]), -Infinity)),
    attention: () => {
      const weights = softmax(y.map(h => linear(score, linear(hidden, h).map(tanh))[0]));
      return zero.map((_, n) => y.reduce((sum, h, t) => sum + weights[t] * h[n], 0));
    },
  };
  return kind === "concat" ? joined(of.last(), of.mean(), of.max()) : of[kind]();
}

// b + Σ f_g W_g / √Σ f_g² over the n-grams g of the steps, by the rolling hash of sunhwan.models.ngrams.
function ngramLogits(part, steps) {
  const PRIME = 2 ** 31 - 1, BASE = 1000003, one = steps.map(step => codeOf(part, step, PRIME)), rows = [];
  for (let start = 0; start < one.length; start++) {
    let whole = one[start];
    for (let n = 1; n <= part.longest && start + n <= one.length; n++) {
      if (n > 1) whole = (whole * BASE + one[start + n - 1]) % PRIME;
      rows.push(whole % part.buckets);
    }
  }
  const frequency = array(part.frequency), norm = Math.max(Math.sqrt(rows.reduce((sum, r) => sum + frequency[r] ** 2, 0)), 1e-6);
  return part.bias.map((b, l) => rows.reduce((sum, r) => sum + frequency[r] / norm * array(part.weight)[r * part.bias.length + l], b));
}

function codeOf(part, { token, letters }, PRIME) {
  if (token !== undefined) return token + 1;
  const bare = letters.map(n => part.spelled[n]), kept = bare.some(Boolean) ? bare : letters.map(n => part.folded[n]);
  return kept.filter(Boolean).reduce((sum, k, n) => sum + k * part.powers[n], 0) % PRIME;
}

function logitsOf(steps) {
  const found = linear(MODEL.output, pooled(encoded(steps))), beside = MODEL.ngrams && ngramLogits(MODEL.ngrams, steps);
  return Array.from(found, (v, l) => (v + (beside ? beside[l] : 0)) / MODEL.temperature);
}

// A text → the probability of each label.
const classify = text => softmax(logitsOf(read(text)));

// Tagging

const emissionsOf = steps => encoded(steps).map(h => Array.from(linear(MODEL.output, h)));

// The labels with the largest score: without a CRF each step's own, else by Viterbi's algorithm (1967).
function best(emissions) {
  const largest = values => values.reduce((at, v, n) => v > values[at] ? n : at, 0);
  if (!MODEL.crf || !emissions.length) return emissions.map(largest);
  const { start, transitions, end } = MODEL.crf, origins = [];
  let total = emissions[0].map((e, l) => e + start[l]);
  for (const e of emissions.slice(1)) {
    const from = e.map((_, to) => largest(total.map((v, l) => v + transitions[l][to])));
    origins.push(from);
    total = e.map((v, to) => total[from[to]] + transitions[from[to]][to] + v);
  }
  const path = [largest(total.map((v, l) => v + end[l]))];
  for (const from of origins.reverse()) path.unshift(from[path[0]]);
  return path;
}

// A text → the label of each of its words.
const tag = text => best(emissionsOf(read(text))).map(n => LABELS[n]);
