// Numbers side by side in one memory, and products of matrices on them: in WebAssembly, or where a browser
// has none, or the address ends with #js, in plain JavaScript.
const bytesOf = text => Uint8Array.from(atob(text.trim()), c => c.charCodeAt(0));

const COMPILED = (() => {
  try {
    if (typeof location !== "undefined" && location.hash === "#js") return null;
    return new WebAssembly.Module(bytesOf(PRODUCTS_TEXT));
  } catch {
    return null;
  }
})();

// A memory for so many floats: floats(n) gives the next n of them.
function machine(count, compiled = COMPILED) {
  const buffer = compiled ? null : new ArrayBuffer(4 * count);
  const memory = compiled && new WebAssembly.Memory({ initial: 1 + Math.ceil(count / 2 ** 14) });
  let at = compiled ? 2 ** 16 : 0;
  const floats = n => new Float32Array(compiled ? memory.buffer : buffer, (at += 4 * n) - 4 * n, n);
  if (!compiled) return { floats, product: plainProduct, accumulate: plainAccumulate, compiled: false };
  const { product, accumulate } = new WebAssembly.Instance(compiled, { env: { memory } }).exports;
  const place = (array, start) => array.byteOffset + 4 * start;
  return { floats, compiled: true,
    product: (out, o, x, p, W, w, rows, columns) =>
      product(place(out, o), place(x, p), place(W, w), rows, columns),
    accumulate: (C, c, A, a, ai, ak, B, b, rows, inner, columns) =>
      accumulate(place(C, c), place(A, a), ai, ak, place(B, b), rows, inner, columns) };
}

// out (columns) = x (rows) W, W column by column; o, p and w are where they begin in their arrays.
function plainProduct(out, o, x, p, W, w, rows, columns) {
  for (let j = 0; j < columns; j++, w += rows) {
    let a = 0, b = 0, c = 0, d = 0, i = 0;
    for (; i + 4 <= rows; i += 4) {
      a += x[p + i] * W[w + i];
      b += x[p + i + 1] * W[w + i + 1];
      c += x[p + i + 2] * W[w + i + 2];
      d += x[p + i + 3] * W[w + i + 3];
    }
    for (; i < rows; i++) a += x[p + i] * W[w + i];
    out[o + j] = a + b + (c + d);
  }
}

// C (rows, columns) += A B, B (inner, columns); A's element (i, k) lies at a + i · ai + k · ak, so that Aᵀ is
// A with its two strides the other way round.
function plainAccumulate(C, c, A, a, ai, ak, B, b, rows, inner, columns) {
  for (let i = 0; i < rows; i++, c += columns, a += ai) {
    let k = 0;
    for (; k + 4 <= inner; k += 4) {
      const at = a + k * ak, p = A[at], q = A[at + ak], r = A[at + 2 * ak], s = A[at + 3 * ak];
      const x = b + k * columns, y = x + columns, z = y + columns, w = z + columns;
      for (let j = 0; j < columns; j++) C[c + j] += p * B[x + j] + q * B[y + j] + (r * B[z + j] + s * B[w + j]);
    }
    for (; k < inner; k++) {
      const p = A[a + k * ak], x = b + k * columns;
      for (let j = 0; j < columns; j++) C[c + j] += p * B[x + j];
    }
  }
}

// e^x to 12 digits: 2^(n / 2048) of a table, and what is left of x by its series.
const WHOLE = Float64Array.from({ length: 2200 }, (_, n) => 2 ** (n - 1100));
const PARTS = Float64Array.from({ length: 2048 }, (_, n) => 2 ** (n / 2048));
function exp(x) {
  if (!(x > -700)) return x <= -700 ? 0 : x;
  if (x > 709) return Infinity;
  const s = x * (2048 / Math.LN2), n = Math.round(s), r = (s - n) * (Math.LN2 / 2048);
  return WHOLE[1100 + (n >> 11)] * PARTS[n & 2047] * (1 + r * (1 + r * 0.5));
}
const tanh = x => 1 - 2 / (1 + exp(2 * x));
