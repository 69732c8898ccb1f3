// Attention over the rows of what was read.
const projected = ({ key }, rows) => key ? rows.map(row => linear(key, row)) : rows;

const dot = (a, b) => a.reduce((sum, v, n) => sum + v * b[n], 0);

// What is read at this step: the mean of the rows, weighted by how well each fits.
function attend({ query: asks, score, size }, query, { rows, projected }) {
  const zero = new Float32Array(size);
  if (!rows.length) return { context: zero, weights: [] };
  const asked = asks ? linear(asks, query) : query;
  const scores = projected.map(key => asks ? linear(score, key.map((v, n) => tanh(v + asked[n])))[0] : dot(key, asked));
  const weights = softmax(scores);
  return { weights, context: zero.map((_, n) => rows.reduce((sum, h, s) => sum + weights[s] * h[n], 0)) };
}
