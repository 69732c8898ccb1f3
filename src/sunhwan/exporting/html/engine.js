// The model: weights, a step of one token, texts and tokens. It touches nothing of the page.
const STATE_SIZE = Object.values(MODEL.initial).reduce((sum, field) => sum + field.length, 0);
const [FLOATS, HALVES] = MODEL.stored;
const { floats, product, compiled } = machine(FLOATS + HALVES + STATE_SIZE + MODEL.vocabulary.tokens.length + %%SCRATCH%%);

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
const TABLE = array("TABLE");

function erf(x) {
  let sum = x, term = x;
  if (Math.abs(x) > 4) return Math.sign(x);
  for (let n = 1; n < 80; n++) {
    term *= -x * x / n;
    sum += term / (2 * n + 1);
  }
  return 2 / Math.sqrt(Math.PI) * sum;
}

function begin() {
  return Object.fromEntries(Object.entries(MODEL.initial).map(([name, v]) => [name, Float32Array.from(v)]));
}

const copied = state => Object.fromEntries(Object.entries(state).map(([name, v]) => [name, v.slice()]));

%%ARRAYS%%
const scratch = floats(%%SCRATCH%%), logits = floats(MODEL.vocabulary.tokens.length);
const FIELDS = Object.fromEntries(Object.entries(MODEL.initial).map(([name, v]) => [name, floats(v.length)]));

// Reads a token: changes the state, and gives the logits of the next one. It computes in the machine's memory.
function step(state, token, found) {
  const x = TABLE.subarray(token * MODEL.width, (token + 1) * MODEL.width);
  for (const name in FIELDS) FIELDS[name].set(state[name]);
  %%STATES%%
%%STEP%%
  for (const name in FIELDS) state[name].set(FIELDS[name]);
  found.set(logits);
  return found;
}

// Texts and tokens

const { tokens: TOKENS, unk_id: UNK, eos_id: EOS, kind: KIND } = MODEL.vocabulary;
const IDS = new Map(TOKENS.map((token, n) => [token, n]).filter(([, n]) => n !== UNK && n !== EOS));
const normal = text => text.replace(/\r\n?/g, "\n").normalize("NFC");
const SIGN = "!-/:-@\\[-`{-~\\u00a1-\\u00bf\\u2010-\\u2bff\\u3001-\\u303f\\uff01-\\uff0f\\uff1a-\\uff20";
const PIECE = new RegExp(` ?[^\\s0-9${SIGN}\\ufffd]{1,64}| ?[0-9]{1,64}| ?[${SIGN}]{1,64}|\\s{1,64}(?!\\S)|\\s{1,64}|\\ufffd`, "gu");
const RANK = new Map((MODEL.vocabulary.merges || []).map(([a, b], n) => [a + "\u0000" + b, n]).reverse());

function merged(piece) {
  const parts = [...piece];
  while (parts.length > 1) {
    let best = -1, least = Infinity;
    for (let n = 0; n + 1 < parts.length; n++) {
      const rank = RANK.get(parts[n] + "\u0000" + parts[n + 1]);
      if (rank !== undefined && rank < least) [best, least] = [n, rank];
    }
    if (best < 0) break;
    parts.splice(best, 2, parts[best] + parts[best + 1]);
  }
  return parts;
}

// Characters, of Hangul syllables their letters; and syllables of letters.
const letters = text => [...text].flatMap(c => c >= "가" && c <= "힣" ? [...c.normalize("NFD")] : [c]);
const composed = text => text.replace(/[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?/g, s => s.normalize("NFC"));

function encode(text) {
  text = normal(text);
  if (KIND === "bytes") return [...new TextEncoder().encode(text)];
  let parts;
  if (KIND === "words") {
    const lines = EOS === null ? [text] : text.split("\n");
    parts = lines.flatMap((line, n) => [...(n ? [null] : []), ...line.split(/\s+/).filter(Boolean)]);
    return parts.map(part => part === null ? EOS : IDS.get(part) ?? UNK).filter(n => n !== null);
  }
  if (KIND === "subwords") {
    text = normal([...text].map(c => IDS.has(c) ? c : UNK === null ? "" : "\ufffd").join(""));
    parts = (text.match(PIECE) || []).flatMap(merged);
  } else {
    parts = KIND === "jamo" ? letters(text) : [...text];
  }
  return parts.map(part => IDS.get(part) ?? UNK).filter(n => n !== null);
}

function decode(ids) {
  if (KIND === "bytes") {
    const pieces = [[]];
    for (const n of ids) n === 256 ? pieces.push([]) : pieces.at(-1).push(n);
    return pieces.map(piece => new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(piece))).join("");
  }
  if (KIND === "words") {
    const joined = ids.map(n => n === EOS ? "\n" : TOKENS[n]).join(" ");
    return joined.replaceAll(" \n", "\n").replaceAll("\n ", "\n");
  }
  const text = ids.map(n => n === EOS ? "\u0000" : n === UNK ? "\ufffd" : TOKENS[n]).join("");
  return (KIND === "jamo" ? composed(text) : text).replaceAll("\u0000", "");
}

// What is read before a text: EOS, or before an empty one a line break.
function before(ids) {
  return EOS !== null || !ids.length ? MODEL.before : [];
}

// Tokens that may not come next: UNK, and after a prompt of jamo what would change its last syllable.
function forbidden(ids, first) {
  const never = new Set(UNK === null ? [] : [UNK]);
  if (first && KIND === "jamo") {
    const tail = ids.slice(-8), text = decode(tail);
    TOKENS.forEach((_, n) => { if (!decode([...tail, n]).startsWith(text)) never.add(n); });
  }
  return never;
}

function chosen(logits, never, temperature) {
  let best = -1;
  for (let n = 0; n < logits.length; n++) if (!never.has(n) && (best < 0 || logits[n] > logits[best])) best = n;
  if (temperature <= 0) return best;
  let total = 0;
  const shares = logits.map((v, n) => never.has(n) ? 0 : Math.exp((v - logits[best]) / temperature));
  for (const share of shares) total += share;
  let left = Math.random() * total;
  for (let n = 0; n < shares.length; n++) if ((left -= shares[n]) < 0) return n;
  return best;
}

// Goes on from a prompt: what is written, without the prompt.
function write(prompt, length, temperature = 0) {
  const ids = encode(prompt), state = begin(), logits = new Float32Array(TOKENS.length), written = [];
  for (const token of [...before(ids), ...ids]) step(state, token, logits);
  for (let n = 0; n < length; n++) {
    const token = chosen(logits, forbidden(ids, n === 0), temperature);
    written.push(token);
    if (n + 1 < length) step(state, token, logits);
  }
  return decode([...ids, ...written]).slice(decode(ids).length);
}
