// Texts: what is read → rows of numbers.
const { source: SOURCE } = MODEL;
const WORDS = SOURCE.kind === "words" && texts(SOURCE.words), LETTERS = WORDS && texts(SOURCE.letters);
const VOCABULARY = SOURCE.kind === "text" && texts(SOURCE.vocabulary);

const tokenOf = word => normal(word).split(new RegExp(`[${SPACE}]`)).join("_") || "_";

// A text → its steps: the numbers of tokens, or of words with those of their letters.
function read(text) {
  if (VOCABULARY) return VOCABULARY.encode(text).map(token => ({ token }));
  return readWords(wordsOf(text));
}

function readWords(words) {
  return words.map(word => {
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
