// The page of an encoder-decoder: what it writes about what is given, and where it looked.
const ABOUT = {
  en: { text: "Type, and the model writes the likeliest text that it finds.", image: "Draw with a finger or choose a picture, and the model says what it is.",
    frames: "Paste frames or choose a file, and the model writes about them.", vector: "Give numbers, and the model says what they are.", labels: "Choose, and the model writes." },
  ko: { text: "글을 치면 모델이 가장 그럴듯한 글을 찾아 씁니다.", image: "손가락으로 그리거나 그림을 고르면 모델이 무엇인지 말합니다.",
    frames: "프레임을 붙여 넣거나 파일을 고르면 모델이 글로 옮깁니다.", vector: "수를 넣으면 모델이 글로 말합니다.", labels: "고르면 모델이 글을 씁니다." },
};
ABOUT.en.words = ABOUT.en.text;
ABOUT.ko.words = ABOUT.ko.text;
const SAY = {
  en: { ...ASKING.en, about: `${ABOUT.en[KIND]} Nothing leaves this page.`, other: "한국어", again: "Write again",
    temperature: "Temperature", legend: "Where the model looked: choose a piece of what it wrote. A row of the grid is a piece, a column what was read.",
    beams: "Beam width (1: greedy)", blank: "(a blank text)", likely: p => `probability ${p}` },
  ko: { ...ASKING.ko, about: `${ABOUT.ko[KIND]} 아무것도 이 페이지 밖으로 나가지 않습니다.`, other: "English", again: "다시 쓰기",
    temperature: "온도", legend: "모델이 본 곳: 쓴 조각을 하나 고르세요. 격자의 한 줄이 쓴 조각이고, 칸은 읽은 조각입니다.",
    beams: "빔의 너비(1이면 탐욕 탐색)", blank: "(빈 글)", likely: p => `확률 ${p}` },
};
const LARGEST = 60;
let shown = null;

function readPieces(given) {
  if (KIND === "frames") return given.map((_, t) => `${t + 1} `);
  return WORDS ? wordsOf(given) : read(given).map(({ token }) => MODEL.pieces.read[token]);
}


// Colours what was read by the weights at a piece of what was written.
function point(place) {
  if (!shown || place >= shown.looks.length) return;
  [...get("pieces").children].forEach((node, n) => node.setAttribute("aria-pressed", n === place));
  get("look").replaceChildren(...shown.read.map((piece, n) => weighed("span", piece, shown.looks[place][n])));
}

function showAttention() {
  const { ids, looks, read } = shown, wrote = ids.map(n => MODEL.pieces.written[n]);
  get("pieces").replaceChildren(...wrote.map((piece, n) => {
    const button = made("button", piece);
    button.onclick = button.onfocus = button.onpointerenter = () => point(n);
    return button;
  }));
  get("grid").replaceChildren();
  if (read.length > LARGEST || wrote.length > LARGEST) return point(0);
  const table = document.createElement("table");
  table.append(tableRow(...["", ...read].map(piece => made("th", piece))));
  table.append(...wrote.map((piece, n) => tableRow(made("th", piece), ...looks[n].map(weight => weighed("td", "", weight)))));
  get("grid").append(table);
  point(0);
}

// A tune with its header, anything else as it is.
function whole({ text }, given) {
  if (!MODEL.tune) return text;
  const [metre, key] = given.map((n, k) => MODEL.source.labels[k][n]);
  return `X:1\nT:${metre} in ${key}\nM:${metre}\nL:1/8\nK:${key}\n${text.trim()}\n`;
}

// A text, of a blank one what it is.
const visible = text => [text.trim() ? text : made("small", SAY[language].blank)];

function show() {
  const given = attempted(asked, SAY[language].faults);
  const heat = MODEL.temperature && +get("heat").value;
  const texts = !given ? [] : heat ? [drawn(given, heat)] : search(given, width());
  shown = texts[0] ?? null;
  get("searched").hidden = heat > 0;
  const looks = shown?.ids.length && shown.looks[0];
  get("written").replaceChildren(...shown ? visible(whole(shown, given)) : []);
  get("share").textContent = shown && !MODEL.temperature ? SAY[language].likely(shown.share.toPrecision(2)) : "";
  get("others").replaceChildren(...MODEL.tune ? [] : texts.slice(1).map(other => {
    const line = made("li", "");
    line.append(...visible(other.text), " ", made("small", SAY[language].likely(other.share.toPrecision(2))));
    return line;
  }));
  for (const id of ["legend", "look", "pieces", "grid"]) get(id).hidden = !looks;
  for (const id of ["look", "pieces", "grid"]) get(id).replaceChildren();
  if (looks) {
    shown.read = readPieces(given);
    showAttention();
  }
}

// How many texts are kept: a whole number from 1 to 10.
const width = () => Math.min(Math.max(Math.round(+get("beam").value) || 1, 1), 10);

const asked = QUESTIONS[KIND](show);
get("beam").value = MODEL.beam;
get("beam").oninput = () => soon(show);
get("drawn").hidden = !MODEL.temperature;
get("heat").value = MODEL.temperature;
get("heat").oninput = () => { get("degrees").textContent = get("heat").value; show(); };
get("degrees").textContent = get("heat").value;
get("again").onclick = show;
twoLanguages(SAY, show);
show();
window.sunhwan = { write: (given, beam) => search(given, beam)[0].text };
