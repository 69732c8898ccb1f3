// Classifiers and taggers of text: what is read → labels.
const { labels: LABELS } = MODEL;

// Classification

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

// Of a pair both vectors, how far apart they are, and their product.
function vectorOf(inputs) {
  const [u, v] = inputs.map(steps => pooled(MODEL.pooling, encoded(steps)));
  return v ? joined(u, v, u.map((a, n) => Math.abs(a - v[n])), u.map((a, n) => a * v[n])) : u;
}

function logitsOf(inputs) {
  const found = linear(MODEL.output, vectorOf(inputs)), beside = MODEL.ngrams && ngramLogits(MODEL.ngrams, inputs[0]);
  return Array.from(found, (v, l) => (v + (beside ? beside[l] : 0)) / MODEL.temperature);
}

// A text, or two → the probability of each label.
const classify = (...given) => softmax(logitsOf(given.map(read)));

// Tagging

const emissionsOf = steps => encoded(steps).map(h => Array.from(linear(MODEL.output, h)));

const argmax = values => values.reduce((at, v, n) => v > values[at] ? n : at, 0);

// The labels with the largest score: without a CRF each step's own, else by Viterbi's algorithm (1967).
function best(emissions) {
  if (!MODEL.crf || !emissions.length) return emissions.map(argmax);
  const { start, transitions, end } = MODEL.crf, origins = [];
  let total = emissions[0].map((e, l) => e + start[l]);
  for (const e of emissions.slice(1)) {
    const from = e.map((_, to) => argmax(total.map((v, l) => v + transitions[l][to])));
    origins.push(from);
    total = e.map((v, to) => total[from[to]] + transitions[from[to]][to] + v);
  }
  const path = [argmax(total.map((v, l) => v + end[l]))];
  for (const from of origins.reverse()) path.unshift(from[path[0]]);
  return path;
}

// Steps → the label of each.
const tagSteps = steps => best(emissionsOf(steps)).map(n => LABELS[n]);

// A text, or frames → the label of each word or frame.
const tag = given => MODEL.tokenizer ? taggedWords(given).map(({ label }) => label) : tagSteps(read(given));

// A text → its words with their labels; those of each sentence together, where it is cut into sentences.
function taggedWords(text) {
  return (MODEL.tokenizer ? rawSentences(text) : [wordsOf(text)]).flatMap(words => {
    const labels = tagSteps(readWords(words));
    return words.map((piece, n) => ({ piece, label: labels[n] }));
  });
}
