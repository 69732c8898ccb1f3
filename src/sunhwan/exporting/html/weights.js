// The weights, in the memory where products are computed.
const [FLOATS, HALVES] = MODEL.stored;
const { floats, product, compiled } = machine(FLOATS + HALVES + MODEL.room);

// Characters of 7 bits → bytes.
function unpacked(text) {
  const bytes = new Uint8Array(text.length * 7 >> 3);
  for (let n = 0, at = 0, bits = 0, held = 0; at < bytes.length; n++) {
    bits = (bits << 7 | text.charCodeAt(n) & 127) & 0xffff;
    if ((held += 7) >= 8) bytes[at++] = bits >> (held -= 8);
  }
  return bytes;
}

// Symbols in the canonical Huffman code of these lengths: shorter codes first, then by symbol.
function decoded(bytes, start, lengths, count) {
  const table = new Uint16Array(2 ** 15), found = new Uint8Array(count);
  let next = 0, bits = 0, held = 0, at = start;
  for (let length = 1; length <= 15; length++) for (let symbol = 0; symbol < 256; symbol++) {
    if (lengths[symbol] === length) table.fill(symbol << 4 | length, next, next += 2 ** (15 - length));
  }
  for (let n = 0; n < count; n++) {
    for (; held < 15; held += 8) bits = (bits << 8 | bytes[at++]) & 0x7fffff;
    const entry = table[bits >> (held - 15) & 0x7fff];
    found[n] = entry >> 4;
    held -= entry & 15;
  }
  return found;
}

// Float32 numbers, then the low bytes of float16 and the code of the high ones. Their bits are moved into place,
// and scaled, for float32 counts exponents from another number.
const WEIGHTS = (() => {
  const text = typeof WEIGHTS_TEXT === "string" ? WEIGHTS_TEXT : document.getElementById("weights").textContent;
  const bytes = unpacked(text), all = floats(FLOATS + HALVES), low = 4 * FLOATS;
  all.set(new Float32Array(bytes.buffer, 0, FLOATS));
  const high = decoded(bytes, low + HALVES, MODEL.code, HALVES), bits = new Uint32Array(all.buffer, all.byteOffset, all.length);
  for (let n = 0, at = FLOATS; n < HALVES; n++, at++) {
    bits[at] = (high[n] & 0x80) << 24 | (high[n] & 0x7f) << 21 | bytes[low + n] << 13;
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
