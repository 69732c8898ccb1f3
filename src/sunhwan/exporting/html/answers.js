// The page of a classifier or a tagger: what is typed is answered.
const TAGS = !MODEL.pooling, PAIR = MODEL.columns.length > 1;
const TEXT = KIND === "text" || KIND === "words", IMAGE = KIND === "image";
const PIECE_NAME = TEXT ? ["word", "단어를 빼면"] : IMAGE ? ["square", "칸을 지우면"] : ["stretch", "구간을 빼면"];
const LOOKED_AT = 80;  // words of a text
const PIECES = 20;  // that frames are looked at in
const ABOUT = {
  en: { frames: TAGS ? "Paste frames or choose a file, and every frame gets its label." : PAIR ? "Give two rows of frames, and the pair gets its label."
      : "Paste frames or choose a file, and it gets its label.",
    text: TAGS ? "Type, and every word gets its label." : PAIR ? "Type two texts, and the pair gets its label." : "Type, and the text gets its label.",
    image: "Draw with a finger or choose a picture, and it gets its label.", vector: "Give numbers, and they get their label.",
    labels: "Choose, and what you chose gets its label." },
  ko: { frames: TAGS ? "프레임을 붙여 넣거나 파일을 고르면 프레임마다 레이블이 붙습니다." : PAIR ? "두 쪽의 프레임을 넣으면 그 쌍의 레이블을 고릅니다."
      : "프레임을 붙여 넣거나 파일을 고르면 레이블을 고릅니다.",
    text: TAGS ? "글을 치면 단어마다 레이블이 붙습니다." : PAIR ? "두 글을 치면 그 쌍의 레이블을 고릅니다." : "글을 치면 레이블을 고릅니다.",
    image: "손가락으로 그리거나 그림을 고르면 그 레이블을 고릅니다.", vector: "수를 넣으면 레이블을 고릅니다.",
    labels: "고르면 그에 맞는 레이블을 말합니다." },
};
const SAY = {
  en: { ...ASKING.en, about: `${ABOUT.en[TEXT ? "text" : KIND]} Nothing leaves this page.`,
    legend: `What mattered: without a red ${PIECE_NAME[0]} the first label would be less likely, without a blue one more.`,
    cut: (count, name) => `${name}Only the first ${LOOKED_AT} of ${count} words were looked at; those in grey were not.`, other: "한국어" },
  ko: { ...ASKING.ko, about: `${ABOUT.ko[TEXT ? "text" : KIND]} 아무것도 이 페이지 밖으로 나가지 않습니다.`,
    legend: `무엇이 중요했나: 빨간 ${PIECE_NAME[1]} 첫 레이블의 확률이 내려가고, 파란 ${PIECE_NAME[1]} 올라갑니다.`,
    cut: (count, name) => `${name}단어 ${count}개 가운데 앞의 ${LOOKED_AT}개만 살펴보았습니다. 흐린 단어는 살펴보지 않았습니다.`, other: "English" },
};

// What is given, an input or two; null where one is missing.
function asking() {
  if (TEXT) {
    const boxes = NAMES.map((name, n) => textBox(n ? `text${n + 1}` : "text", name, show));
    boxes[0].focus();
    return () => boxes.map(box => box.value);
  }
  const each = KIND === "frames" ? NAMES.map((name, n) => frameQuestion(show, name, n)) : [QUESTIONS[KIND](show)];
  return () => {
    const given = each.map(one => one());
    return given.includes(null) ? null : given;
  };
}

const stretch = (from, to) => from === to ? `${from}` : `${from}–${to}`;

// The pieces of an input, each with the input without it: words, squares of an image, or stretches of frames; of
// spaces, and of the words behind those that are looked at, null.
function piecesOf(input) {
  if (IMAGE) return squares(input);
  if (TEXT) {
    const pieces = input.split(/(\s+)/), words = [...pieces.keys()].filter(n => pieces[n].trim());
    const end = words[LOOKED_AT] ?? pieces.length, found = pieces.slice(0, end), rest = pieces.slice(end).join("");
    return [...found.map((piece, n) => ({ piece, without: piece.trim() ? [...found.slice(0, n), ...found.slice(n + 1), rest].join("") : null })),
      ...rest ? [{ piece: rest, without: null, unseen: true }] : []];
  }
  const size = Math.ceil(input.length / PIECES), count = Math.ceil(input.length / size);
  return Array.from({ length: count }, (_, n) => {
    const [from, to] = [n * size, Math.min((n + 1) * size, input.length)];
    return { piece: `${stretch(from + 1, to)} `, without: count > 1 ? [...input.slice(0, from), ...input.slice(to)] : null };
  });
}

// Each piece with its part in what is said of all: how much less likely a label is without it.
function* matters(given, place, label, pieces = piecesOf(given[place]), whole = classify(...given)[label]) {
  for (const one of pieces) {
    if (one.without !== null) one.part = whole - classify(...given.with(place, one.without))[label];
    yield one;
  }
}

function colourOf(part) {
  const share = Math.min(Math.sqrt(Math.abs(part)), 0.85).toFixed(3);
  return part > 0 ? `rgb(220 40 40 / ${share})` : `rgb(40 90 230 / ${share})`;
}

// The text at once, then the colour of one piece after another.
function* colouring(given, label, whole) {
  const all = given.map(input => piecesOf(input).map(one => {
    one.span = made("span", one.piece);
    if (one.unseen) one.span.className = "unseen";
    return one;
  }));
  get("look").replaceChildren(...all.flatMap((some, n) => [...n ? [made("hr", "")] : [], ...some.map(({ span }) => span)]));
  for (const [place, pieces] of all.entries()) {
    for (const { span, part } of matters(given, place, label, pieces, whole)) {
      if (part !== undefined) Object.assign(span, { title: `${(100 * part).toFixed(1)}%` }).style.backgroundColor = colourOf(part);
      yield;
    }
  }
}

function look(given, label, whole) {
  if (!IMAGE) return inSlices(colouring(given, label, whole));
  const pieces = squares(given[0]);
  inSlices(matters(given, 0, label, pieces, whole), () => showSquares(get("look"), given[0], pieces));
}

// What the colours mean, and of a long text that not all of it was looked at.
function explain(given) {
  const { legend, cut } = SAY[language], counts = TEXT ? given.map(text => text.split(/\s+/).filter(Boolean).length) : [];
  get("legend").textContent = [legend, ...counts.flatMap((count, n) => count > LOOKED_AT ? [cut(count, PAIR ? `${NAMES[n]}: ` : "")] : [])].join(" ");
}

// What is tagged, with its labels: words, or runs of frames that have the same.
function tagged(given) {
  if (TEXT) return taggedWords(given);
  const labels = tag(given);
  const ends = [...labels.keys()].filter(n => labels[n] !== labels[n + 1]);
  return ends.map((end, n) => ({ piece: stretch((n ? ends[n - 1] : -1) + 2, end + 1), label: labels[end] }));
}

// Each piece over its label; parts of one name are coloured alike.
function showTags(given) {
  const names = [...new Set(LABELS.map(label => label.replace(/^[BIES]-/, "")))];
  get("look").replaceChildren(...tagged(given).flatMap(({ piece, label }) => {
    const node = document.createElement("span"), hue = 360 * names.indexOf(label.replace(/^[BIES]-/, "")) / names.length;
    node.className = "tagged";
    node.append(made("span", piece), made("small", label));
    if (label !== "O") node.style.backgroundColor = `hsl(${hue} 80% 50% / 0.25)`;
    return [node, " "];
  }));
}

function show() {
  const given = attempted(asked, SAY[language].faults), steps = given && (TEXT ? given.some(text => text.trim()) : IMAGE || KIND === "frames");
  clearTimeout(pending);
  get("legend").hidden = TAGS || !steps;
  get("look").hidden = !TEXT && !steps;
  if (!given) return ["answer", "look"].forEach(id => get(id).replaceChildren());
  if (TAGS) return showTags(given[0]);
  const shares = classify(...given), label = showBars(LABELS, shares);
  get("look").textContent = TEXT ? given.join("\n") : "";
  explain(given);
  if (steps) soon(() => look(given, label, shares[label]), 250);
}

const asked = asking();
twoLanguages(SAY, show);
show();
window.sunhwan = TAGS ? { tag, tagged } : { classify };
