// The weights, in the memory where products are computed.
const [FLOATS, HALVES] = MODEL.stored;
const { floats, product, compiled } = machine(FLOATS + HALVES + MODEL.room);

// Float32 numbers, and behind them those of float16, whose bits are moved into place and scaled.
const WEIGHTS = (() => {
  const text = typeof WEIGHTS_TEXT === "string" ? WEIGHTS_TEXT : document.getElementById("weights").textContent;
  const { buffer } = bytesOf(text), all = floats(FLOATS + HALVES), halves = new Uint16Array(buffer, 4 * FLOATS);
  all.set(new Float32Array(buffer, 0, FLOATS));
  const bits = new Uint32Array(all.buffer, all.byteOffset, all.length);
  for (let n = 0, at = FLOATS; n < HALVES; n++, at++) {
    bits[at] = (halves[n] & 0x8000) << 16 | (halves[n] & 0x7fff) << 13;
    all[at] *= 2 ** 112;
  }
  return all;
})();
const array = name => WEIGHTS.subarray(...MODEL.arrays[name]);

function erf(x) {
  let sum = x, term = x;
  if (Math.abs(x) > 4) return Math.sign(x);
  for (let n = 1; n < 80; n++) {
    term *= -x * x / n;
    sum += term / (2 * n + 1);
  }
  return 2 / Math.sqrt(Math.PI) * sum;
}
