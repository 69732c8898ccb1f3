// The page of a classifier or a tagger: what is typed is answered.
const TAGS = !MODEL.pooling, PAIR = MODEL.columns.length > 1;
const TEXT = KIND === "text" || KIND === "words";
const ABOUT = {
  en: { text: TAGS ? "Type, and every word gets its label." : PAIR ? "Type two texts, and the pair gets its label." : "Type, and the text gets its label.",
    image: "Draw with a finger or choose a picture, and it gets its label.", vector: "Give numbers, and they get their label.",
    labels: "Choose, and what you chose gets its label." },
  ko: { text: TAGS ? "글을 치면 단어마다 레이블이 붙습니다." : PAIR ? "두 글을 치면 그 쌍의 레이블을 고릅니다." : "글을 치면 레이블을 고릅니다.",
    image: "손가락으로 그리거나 그림을 고르면 그 레이블을 고릅니다.", vector: "수를 넣으면 레이블을 고릅니다.",
    labels: "고르면 그에 맞는 레이블을 말합니다." },
};
const SAY = {
  en: { ...ASKING.en, about: `${ABOUT.en[TEXT ? "text" : KIND]} Nothing leaves this page.`,
    legend: "What mattered: without a red word the first label would be less likely, without a blue one more.", other: "한국어" },
  ko: { ...ASKING.ko, about: `${ABOUT.ko[TEXT ? "text" : KIND]} 아무것도 이 페이지 밖으로 나가지 않습니다.`,
    legend: "무엇이 중요했나: 빨간 단어를 빼면 첫 레이블의 확률이 내려가고, 파란 단어를 빼면 올라갑니다.", other: "English" },
};
const SHOWN = 8, LOOKED_AT = 80;

// What is given, an input or two; null where there is none.
function asking() {
  if (!TEXT) return inputs(QUESTIONS[KIND](show));
  const boxes = textBoxes(show);
  return () => boxes.map(box => box.value);
}

const inputs = asked => () => { const given = asked(); return given && [given]; };

// The labels with their probabilities as bars, the likeliest first.
function showLabels(shares) {
  const order = [...shares.keys()].sort((a, b) => shares[b] - shares[a]).slice(0, SHOWN);
  get("answer").replaceChildren(...order.map(n => {
    const line = document.createElement("div");
    line.className = "bar";
    line.append(made("span", LABELS[n]), made("i", "", { width: `${100 * shares[n]}%` }), made("small", `${(100 * shares[n]).toFixed(1)}%`));
    return line;
  }));
  return order[0];
}

// Each word's part in what is said of all texts: how much less likely a label is without the word.
function matters(given, place, label) {
  const whole = classify(...given)[label], pieces = given[place].split(/(\s+)/);
  const without = n => given.with(place, pieces.filter((_, m) => m !== n).join(""));
  return pieces.map((piece, n) => ({ piece, part: !piece.trim() || n > 2 * LOOKED_AT ? 0 : whole - classify(...without(n))[label] }));
}

function coloured({ piece, part }) {
  const share = Math.min(Math.sqrt(Math.abs(part)), 0.85).toFixed(3);
  const span = made("span", piece, { backgroundColor: part > 0 ? `rgb(220 40 40 / ${share})` : `rgb(40 90 230 / ${share})` });
  span.title = `${(100 * part).toFixed(1)}%`;
  return span;
}

function look(given, label) {
  const spans = given.map((_, place) => matters(given, place, label).map(coloured));
  get("look").replaceChildren(...spans.flatMap((some, n) => n ? [made("hr", ""), ...some] : some));
}

// The words, each over its label; parts of one name are coloured alike.
function showTags(text) {
  const names = [...new Set(LABELS.map(label => label.replace(/^[BIES]-/, "")))], words = wordsOf(text), labels = tag(text);
  get("look").replaceChildren(...words.flatMap((word, n) => {
    const node = document.createElement("span"), hue = 360 * names.indexOf(labels[n].replace(/^[BIES]-/, "")) / names.length;
    node.className = "tagged";
    node.append(made("span", word), made("small", labels[n]));
    if (labels[n] !== "O") node.style.backgroundColor = `hsl(${hue} 80% 50% / 0.25)`;
    return [node, " "];
  }));
}

function show() {
  const given = attempted(asked, SAY[language].faults), typed = TEXT && given.some(text => text.trim());
  clearTimeout(pending);
  get("legend").hidden = TAGS || !typed;
  get("look").hidden = !TEXT;
  if (TAGS) return showTags(given[0]);
  if (!given) return get("answer").replaceChildren();
  const label = showLabels(classify(...given));
  if (!TEXT) return;
  get("look").textContent = given.join("\n");
  if (typed) soon(() => look(given, label), 250);
}

const asked = asking();
twoLanguages(SAY, show);
show();
window.sunhwan = TAGS ? { tag } : { classify };
