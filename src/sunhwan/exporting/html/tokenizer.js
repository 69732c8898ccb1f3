// A tokenizer: raw text → sentences of words, by a label of each character, as sunhwan.tasks.tag.tokenizer cuts it.
const { tokenizer: TOKENIZER } = MODEL, CHARACTERS = texts(TOKENIZER.vocabulary);
const [BETWEEN_WORDS, INSIDE, WORD, WORDS_IN_ONE] = [0, 1, 2, 3], SENTENCE_ENDS = 2;

const characterEmissions = ids =>
  stack(TOKENIZER.stack, ids.map(id => row(TOKENIZER.inputs.tokens, id, TOKENIZER.inputs.size))).map(h => Array.from(linear(TOKENIZER.output, h)));

// Characters → their labels; of a long line a window at a time, with some around it.
function characterLabels(line) {
  const { window, margin } = TOKENIZER, ids = CHARACTERS.encode(line.join("")), found = [];
  for (let start = 0; start < ids.length; start += window) {
    const from = Math.max(0, start - margin), rows = characterEmissions(ids.slice(from, start + window + margin));
    found.push(...rows.slice(start - from, start - from + window).map(argmax));
  }
  return found;
}

// Text → sentences, each its words; a line is a paragraph.
function rawSentences(text) {
  return normal(text).split("\n").flatMap(line => [...sentencesOfLine([...line.replace(BETWEEN_EACH, " ").trimEnd()])]);
}

const BETWEEN_EACH = new RegExp(`[${SPACE}]`, "g");

// A word goes on over a space only where that is labelled as a part of it.
function* sentencesOfLine(line) {
  const labels = [...characterLabels(line), WORD];
  let words = [], start = -1;
  for (let place = 0; place < line.length; place++) {
    if (start < 0 && line[place] === " ") continue;
    if (start < 0) start = place;
    const label = labels[place], behind = line[place + 1], last = behind === undefined;
    const inner = !last && (behind !== " " || labels[place + 1] === INSIDE);
    if (inner && label <= INSIDE) continue;
    const form = wordsOf(line.slice(start, place + 1).join("")).join(" ");
    words.push(...[WORDS_IN_ONE, WORDS_IN_ONE + SENTENCE_ENDS].includes(label) ? wordsOfToken(form) : [form]);
    start = -1;
    if (!last && label < WORD + SENTENCE_ENDS) continue;
    yield words;
    words = [];
  }
}

// The words of a token of several: of one that is known those, of another by its longest known ending.
function wordsOfToken(form) {
  const { tokens, endings, longest } = TOKENIZER, all = [...form];
  if (Object.hasOwn(tokens, form)) return tokens[form];
  for (let size = Math.min(longest, all.length); size > 0; size--) {
    const ending = all.slice(-size).join("").toLowerCase();
    if (Object.hasOwn(endings, ending)) return wordsOf(edited(form, endings[ending]) || form);
  }
  return [form];
}

// What an edit script makes of a word, see sunhwan.data.edit_scripts; null where the word is too short for it, or
// letters that belong into a syllable would stand alone.
const FINALS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ", FIRST_FINAL = 0x11a8;
const apart = text => letters(text).map(c => FINALS.includes(c) ? String.fromCharCode(FIRST_FINAL + FINALS.indexOf(c)) : c);
const together = text => text.normalize("NFC").replace(/[\u11a8-\u11c2]/g, c => FINALS[c.charCodeAt(0) - FIRST_FINAL]);

function edited(word, script) {
  const [how, ...parts] = JSON.parse(script);
  if (how === "whole") return parts[0];
  const [front, back] = parts, all = apart(how === "lower" ? word.toLowerCase() : word);
  const read = edits => edits.reduce((sum, edit) => sum + (typeof edit === "string" ? 0 : Math.abs(edit)), 0);
  const behind = all.length - read(back);
  if (read(front) > behind) return null;
  const applied = (edits, some) => edits.reduce(({ made, place }, edit) => typeof edit === "string" ? { made: made + edit, place }
    : { made: made + some.slice(place, place + Math.max(edit, 0)).join(""), place: place + Math.abs(edit) }, { made: "", place: 0 }).made;
  const made = together(applied(front, all) + all.slice(read(front), behind).join("") + applied(back, all.slice(behind)));
  return made && (made.match(/[\u1100-\u11ff]/g) ?? []).every(c => word.includes(c)) ? made : null;
}
