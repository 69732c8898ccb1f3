// Numbers, an image row by row, or the numbers of labels: a sequence of one step.
const read = given => [given];

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

function embedded(given) {
  const { tables, layers } = MODEL.inputs, { mean, deviation } = MODEL.source;
  if (tables) return joined(...tables.map(({ table, size }, n) => row(table, given[n], size)));
  let x = Float32Array.from(given, (v, n) => (v - mean[n]) / deviation[n]);
  for (const layer of layers) x = layer === "relu" ? x.map(v => Math.max(v, 0)) : layer.stride ? convolved(layer, x) : linear(layer, x);
  return x;
}
