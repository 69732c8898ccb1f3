// Frames: rows of numbers, each feature scaled; read from pasted numbers, from arrays that numpy saved, and from sound.
const { mean: MEAN, deviation: DEVIATION } = MODEL.source, WIDE = MEAN.length;
const read = frames => frames;
const embedded = frame => linear(MODEL.inputs.frames, frame.map((v, n) => (v - MEAN[n]) / DEVIATION[n]));

// Lines of WIDE numbers → frames. A file may have a header, and quotes about its cells; of one number a frame, those
// that are pasted may stand in one line.
function framesOfText(text, file = false) {
  const lines = text.split(/\r\n?|\n/).map((given, n) => ({ line: n + 1, given: file ? given.replace(/"([^",;\s]*)"/g, "$1") : given })).filter(({ given }) => given.trim());
  if (file && lines.length > 1 && isHeader(lines[0].given)) lines.shift();
  const alone = WIDE === 1 && lines.length === 1 && !file;
  return lines.flatMap(({ line, given }) => {
    const cells = cellsOf(given, alone);
    if (!cells) throw { fault: "unclear", line };
    const wrong = cells.find(cell => Number.isNaN(numberOf(cell)));
    if (wrong !== undefined) throw { fault: "cell", line, cell: wrong };
    if (alone) return cells.map(cell => Float32Array.of(numberOf(cell)));
    if (cells.length !== WIDE) throw { fault: "row", line, count: cells.length };
    return [Float32Array.from(cells, numberOf)];
  });
}

// Names alone: each has a letter, and none is a number, broken by a separator perhaps, or what a number is not.
const isHeader = line => line.split(/[\s,;]+/).filter(Boolean).every(cell => /\p{L}/u.test(cell) && !/^["']?[-+.]*(\p{N}|(nan|inf|infinity)["']?$)/iu.test(cell));

const NUMBERS = { f2: "Uint16", f4: "Float32", f8: "Float64", i1: "Int8", i2: "Int16", i4: "Int32", i8: "BigInt64", u1: "Uint8", u2: "Uint16", u4: "Uint32", u8: "BigUint64", b1: "Uint8" };

// The number of 16 bits, IEEE 754: 1 sign, 5 exponent, 10 fraction.
function halfOf(bits) {
  const exponent = bits >> 10 & 31, fraction = bits & 1023, sign = bits >> 15 ? -1 : 1;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}

// The bytes of a .npy file (NEP 1), an array (T, WIDE) → frames.
function framesOfArray(bytes) {
  const view = new DataView(bytes);
  if (bytes.byteLength < 12 || view.getUint32(0) !== 0x934e554d) throw { fault: "damaged" };
  const long = view.getUint8(6) > 1, begin = long ? 12 : 10;
  const start = begin + (long ? view.getUint32(8, true) : view.getUint16(8, true));
  const head = new TextDecoder("latin1").decode(bytes.slice(0, start));
  const [, order, type] = head.match(/'descr': '([<>|=])(\w+)'/) ?? [], sizes = head.match(/'shape': \(([\d, ]*)\)/)?.[1];
  if (sizes === undefined) throw { fault: "damaged" };
  const shape = sizes.split(",").filter(size => size.trim()).map(Number), [T, F] = shape;
  if (!NUMBERS[type] || shape.length !== 2 || F !== WIDE || !T) throw { fault: "array", found: `${type ?? "?"} (${shape.join(", ")})` };
  if (start + T * F * type[1] > bytes.byteLength) throw { fault: "damaged" };
  const turned = head.includes("'fortran_order': True"), get = `get${NUMBERS[type]}`;
  const made = type === "f2" ? halfOf : Number;
  const at = (t, n) => made(view[get](start + type[1] * (turned ? n * T + t : t * F + n), order !== ">"));
  return Array.from({ length: T }, (_, t) => Float32Array.from({ length: F }, (_, n) => at(t, n)));
}

// All of them, where they are finite and there is one.
function checked(frames) {
  if (!frames.length) throw { fault: "nothing" };
  const bad = frames.findIndex(frame => !frame.every(Number.isFinite));
  if (bad >= 0) throw { fault: "infinite", frame: bad + 1 };
  return frames;
}
