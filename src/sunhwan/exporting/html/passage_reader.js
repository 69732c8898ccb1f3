// Question answering: a passage and a question → how much each word of the passage weighs, and what that says.
const MARKS = ".,!?;:()[]\"'“”‘’「」『』…", CLOSING = "\"'”’」』)", ENDS = [".", "!", "?", "。", "…"];

function weightsOf(passage, question) {
  const rows = encoded(read(passage)), query = pooled(MODEL.pooling, encoded(read(question)));
  return attend(MODEL.attention, query, { rows, projected: projected(MODEL.attention, rows) }).weights;
}

function trimmedEnd(word, marks) {
  let end = word.length;
  while (end && marks.includes(word[end - 1])) end--;
  return word.slice(0, end);
}

function bare(word) {
  let start = 0;
  while (start < word.length && MARKS.includes(word[start])) start++;
  return trimmedEnd(word.slice(start), MARKS) || word;
}

const keyOf = word => bare(word).toLowerCase().replaceAll("ß", "ss").replaceAll("ς", "σ");

// Places of the words of each sentence, from where to where; the last may have no mark at its end.
function sentencesOf(words) {
  const ends = [...words.keys()].filter(n => ENDS.some(end => trimmedEnd(words[n], CLOSING).endsWith(end))).map(n => n + 1);
  if (ends.at(-1) !== words.length) ends.push(words.length);
  return ends.map((end, n) => [n ? ends[n - 1] : 0, end]);
}

// The word that answers, the weight of all its places together, and the sentence it is from; null where there is no word.
function answer(passage, question) {
  const words = wordsOf(passage), weights = weightsOf(passage, question), keys = words.map(keyOf), sums = new Map();
  if (!words.length) return null;
  keys.forEach((key, n) => sums.set(key, (sums.get(key) ?? 0) + weights[n]));
  const largest = (all, of) => all.reduce((most, one) => of(one) > of(most) ? one : most);
  const best = largest([...sums.keys()], key => sums.get(key)), total = ([from, to]) => weights.slice(from, to).reduce((a, b) => a + b, 0);
  const places = largest(sentencesOf(words).filter(([from, to]) => keys.slice(from, to).includes(best)), total);
  const word = key => bare(words[key === best ? keys.indexOf(best, places[0]) : keys.indexOf(key)]);
  return { word: word(best), probability: sums.get(best), evidence: words.slice(...places).join(" "), places, words, weights,
    names: [...sums.keys()].map(word), shares: [...sums.values()] };
}
