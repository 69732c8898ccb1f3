// The page of a classifier or a tagger: what is typed is answered.
const TAGS = !MODEL.pooling;
const SAY = {
  en: { about: TAGS ? "Type, and every word gets its label. Nothing leaves this page." : "Type, and the text gets its label. Nothing leaves this page.",
    legend: "What mattered: without a red word the first label would be less likely, without a blue one more.", other: "한국어" },
  ko: { about: TAGS ? "글을 치면 낱말마다 레이블이 붙습니다. 아무것도 이 페이지 밖으로 나가지 않습니다." : "글을 치면 레이블을 고릅니다. 아무것도 이 페이지 밖으로 나가지 않습니다.",
    legend: "무엇이 중요했나: 빨간 낱말을 빼면 첫 레이블의 확률이 내려가고, 파란 낱말을 빼면 올라갑니다.", other: "English" },
};
const SHOWN = 8, LOOKED_AT = 80;
const get = id => document.getElementById(id);
let language = (navigator.language || "en").startsWith("ko") ? "ko" : "en", waiting = 0;

function made(kind, text, style = {}) {
  const node = document.createElement(kind);
  node.textContent = text;
  Object.assign(node.style, style);
  return node;
}

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

// Each word's part: how much less likely a label is without the word.
function matters(text, label) {
  const whole = classify(text)[label], pieces = text.split(/(\s+)/);
  return pieces.map((piece, n) => ({ piece, part: !piece.trim() || n > 2 * LOOKED_AT ? 0
    : whole - classify(pieces.filter((_, m) => m !== n).join(""))[label] }));
}

function look(text, label) {
  get("look").replaceChildren(...matters(text, label).map(({ piece, part }) => {
    const share = Math.min(Math.sqrt(Math.abs(part)), 0.85).toFixed(3);
    const span = made("span", piece, { backgroundColor: part > 0 ? `rgb(220 40 40 / ${share})` : `rgb(40 90 230 / ${share})` });
    span.title = `${(100 * part).toFixed(1)}%`;
    return span;
  }));
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
  const text = get("text").value;
  clearTimeout(waiting);
  get("legend").hidden = TAGS || !text.trim();
  if (TAGS) return showTags(text);
  const label = showLabels(classify(text));
  get("look").textContent = text;
  if (text.trim()) waiting = setTimeout(look, 250, text, label);
}

function say() {
  const words = SAY[language];
  document.documentElement.lang = language;
  get("about").textContent = words.about;
  get("legend").textContent = words.legend;
  get("language").textContent = words.other;
  get("language").lang = language === "en" ? "ko" : "en";
}

get("language").onclick = () => { language = language === "en" ? "ko" : "en"; say(); };
get("text").addEventListener("input", show);
say();
show();
window.sunhwan = TAGS ? { tag } : { classify };
