// A language model: a step of one token, and writing. It touches nothing of the page.
const TABLE = array("TABLE");
const { tokens: TOKENS, unk_id: UNK, eos_id: EOS, kind: KIND } = MODEL.vocabulary;
const { encode, decode, unknown } = texts(MODEL.vocabulary);

function begin() {
  return Object.fromEntries(Object.entries(MODEL.initial).map(([name, v]) => [name, Float32Array.from(v)]));
}

const copied = state => Object.fromEntries(Object.entries(state).map(([name, v]) => [name, v.slice()]));

%%ARRAYS%%
const scratch = floats(%%SCRATCH%%), logits = floats(TOKENS.length);
const FIELDS = Object.fromEntries(Object.entries(MODEL.initial).map(([name, v]) => [name, floats(v.length)]));
// What a cell's equation names, gates and candidates, of the last step.
const GATES = Object.fromEntries(Object.entries(MODEL.gates).map(([name, [, , size]]) => [name, new Float32Array(size)]));

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

// The same of a text: a model of sentences begins each line anew.
function next(state, token, found) {
  if (token === MODEL.line) Object.assign(state, begin());
  return step(state, token, found);
}

// What is read before a text: EOS, or before an empty one, and before every one of sentences, a line break.
function before(ids) {
  return EOS !== null || MODEL.line !== null || !ids.length ? MODEL.before : [];
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

// Goes on from a prompt: what is written, without the prompt.
function write(prompt, length, temperature = 0) {
  const ids = encode(prompt), state = begin(), logits = new Float32Array(TOKENS.length), written = [];
  for (const token of [...before(ids), ...ids]) next(state, token, logits);
  for (let n = 0; n < length; n++) {
    const token = chosen(logits, forbidden(ids, n === 0), temperature);
    written.push(token);
    if (n + 1 < length) next(state, token, logits);
  }
  return decode([...ids, ...written]).slice(decode(ids).length);
}
