// The page: type and it writes on; candidates; colours of surprise and of units.
const SAY = {
  en: { about: "Type, and the model goes on. Nothing leaves this page.", write: "Write on", stop: "Stop", clear: "Clear",
    temperature: "Temperature", colour: "Colour", unit: "unit", surprise: "surprise", other: "한국어", speed: "characters/s",
    keys: "→ at the end of the text takes the likeliest; Esc stops writing.",
    surprising: "The stronger the orange, the more it surprised the model, up to 8.5 bits.",
    signed: "Red is above 0 and blue below; the stronger, the further from 0, up to 1.",
    strangers: count => `The model does not know ${count} of these ${{ words: "words", jamo: "letters" }[KIND] ?? "characters"}, under a wavy line: it reads ${UNK === null ? "nothing" : "one sign for all of them"} in their place.` },
  ko: { about: "글을 치면 모델이 이어 씁니다. 아무것도 이 페이지 밖으로 나가지 않습니다.", write: "이어 쓰기", stop: "멈춤", clear: "지우기",
    temperature: "온도", colour: "색", unit: "유닛", surprise: "놀라움", other: "English", speed: "글자/초",
    keys: "글 끝에서 →를 누르면 가장 그럴듯한 후보를 받아 적고, Esc를 누르면 쓰기를 멈춥니다.",
    surprising: "주황색이 진할수록 모델이 더 놀란 곳입니다(8.5비트에서 가장 진합니다).",
    signed: "빨간색은 0보다 크고 파란색은 0보다 작습니다. 진할수록 0에서 멉니다(1에서 가장 진합니다).",
    strangers: count => `모델이 모르는 ${{ words: "단어", jamo: "자모" }[KIND] ?? "글자"}가 ${count}개 있습니다. 물결 밑줄을 그은 곳이며, 모델은 그 자리${UNK === null ? "를 건너뜁니다" : "에서 모르는 것을 뜻하는 기호 하나를 읽습니다"}.` },
};
const get = id => document.getElementById(id);
let language = (navigator.language || "en").startsWith("ko") ? "ko" : "en";
let ids = [], marks = [], running = false, composing = false;
// A mark a token: the state after it, its surprise in bits, what is said of the next.

const start = () => {
  const state = begin(), logits = new Float32Array(TOKENS.length);
  for (const token of before(ids)) next(state, token, logits);
  return { state, logits };
};

function bits(logits, token) {
  let top = -Infinity, total = 0;
  for (const v of logits) top = Math.max(top, v);
  for (const v of logits) total += Math.exp(v - top);
  return (Math.log(total) + top - logits[token]) / Math.LN2;
}

function push(token) {
  const last = marks.at(-1), state = copied(last.state);
  const surprise = bits(last.logits, token);
  marks.push({ state, surprise, logits: next(state, token, new Float32Array(TOKENS.length)) });
  ids.push(token);
}

// Of the nth token the gates, which its step is taken again for.
function gatesAt(n) {
  const mark = marks[n + 1];
  if (!mark.gates) {
    next(copied(marks[n].state), ids[n], new Float32Array(TOKENS.length));
    mark.gates = copied(GATES);
  }
  return mark.gates;
}

// Read a text anew from where it differs from the one before.
function read(text) {
  const now = encode(text);
  let same = 0;
  while (same < ids.length && ids[same] === now[same]) same++;
  if (!marks.length || !same) {
    ids = [];
    marks = [start()];
    if (now.length && EOS === null && MODEL.line === null) marks = [{ state: begin(), logits: new Float32Array(TOKENS.length) }];
    same = 0;
  }
  ids.length = same;
  marks.length = same + 1;
  for (const token of now.slice(same)) push(token);
}

function label(token) {
  if (token === EOS) return KIND === "words" ? "⏎" : "∎";
  const text = decode([token]);
  return text === " " ? "␣" : text === "\n" ? "⏎" : text || TOKENS[token];
}

function candidates() {
  const { logits } = marks.at(-1), never = forbidden(ids, true);
  const best = [...logits.keys()].filter(n => !never.has(n)).sort((a, b) => logits[b] - logits[a]).slice(0, 8);
  get("candidates").replaceChildren(...best.map(token => {
    const button = document.createElement("button"), share = document.createElement("small");
    button.append(label(token), " ", share);
    share.textContent = (100 * 2 ** -bits(logits, token)).toFixed(0) + "%";
    button.onclick = () => { take([token]); get("text").focus(); };
    return button;
  }));
}

// Tokens that the model or a click adds.
function take(tokens) {
  const was = decode(ids).length, text = get("text");
  for (const token of tokens) push(token);
  text.value += decode(ids).slice(was);
  show();
}

// The nth token by its surprise, or by the unit of a state or gate that is chosen.
function paint(span, n) {
  const what = get("colour").value, { surprise, state } = marks[n + 1];
  if (!what) {
    span.title = `${surprise.toFixed(1)} bit`;
    span.style.backgroundColor = `rgb(230 120 0 / ${Math.min(surprise / 10, 0.85).toFixed(3)})`;
    return;
  }
  const field = what in MODEL.gates ? gatesAt(n)[what] : state[what], value = field[Math.min(get("unit").value, field.length - 1)] || 0;
  const share = Math.min(Math.abs(value), 1) * 0.8;
  span.title = value.toFixed(3);
  span.style.backgroundColor = value > 0 ? `rgb(220 40 40 / ${share.toFixed(3)})` : `rgb(40 90 230 / ${share.toFixed(3)})`;
}

const SHOWN = 2000;

function show() {
  candidates();
  const first = Math.max(0, ids.length - SHOWN);
  const spans = [], strangers = unknown(get("text").value), known = n => n !== UNK || UNK === null;
  let strange = ids.slice(0, first).filter(n => !known(n)).length;
  for (let n = first; n < ids.length; n++) {
    const span = document.createElement("span");
    const piece = known(ids[n]) ? decode([ids[n]]) : strangers[strange++] ?? decode([ids[n]]);
    span.textContent = KIND === "words" && n > first && ids[n] !== EOS ? " " + piece : piece;
    span.classList.toggle("stranger", !known(ids[n]));
    paint(span, n);
    spans.push(span);
  }
  get("look").replaceChildren(...spans);
  get("strangers").textContent = strangers.length ? SAY[language].strangers(strangers.length) : "";
}

function toggle() {
  running = !running;
  get("write").setAttribute("aria-pressed", running);
  say();
  if (running) go(true);
}

function go(first) {
  if (!running) return;
  const begun = performance.now(), tokens = [];
  const heat = Number(get("temperature").value), was = decode(ids).length;
  while (performance.now() - begun < 40) {
    const token = chosen(marks.at(-1).logits, forbidden(ids, first), heat);
    push(token);
    tokens.push(token);
    first = false;
  }
  const text = decode(ids).slice(was);
  get("speed").textContent = `${Math.round(1000 * text.length / (performance.now() - begun)).toLocaleString()} ${SAY[language].speed}`;
  get("text").value += text;
  get("text").scrollTop = get("text").scrollHeight;
  show();
  setTimeout(go, 0, false);
}

function say() {
  const words = SAY[language];
  document.documentElement.lang = language;
  get("about").textContent = words.about;
  get("write").textContent = running ? words.stop : words.write;
  get("clear").textContent = words.clear;
  get("language").textContent = words.other;
  get("language").lang = language === "en" ? "ko" : "en";
  for (const node of document.querySelectorAll("[data-say]")) node.textContent = words[node.dataset.say];
  get("colour").options[0].textContent = words.surprise;
  get("which").hidden = !get("colour").value;
  get("legend").textContent = get("colour").value ? words.signed : words.surprising;
}

const COLOURS = [...Object.keys(MODEL.initial).map(name => [name.replace("state_", "").replace("_", " "), name]),
  ...Object.entries(MODEL.gates).map(([name, [layer, gate]]) => [`${layer} ${gate}`, name])];
COLOURS.sort(([one], [other]) => parseInt(one) - parseInt(other));
get("colour").append(new Option("", ""), ...COLOURS.map(([text, name]) => new Option(text, name)));
get("colour").onchange = () => { say(); show(); };
get("unit").oninput = show;
get("temperature").oninput = () => { get("heat").textContent = get("temperature").value; };
get("language").onclick = () => { language = language === "en" ? "ko" : "en"; say(); show(); showLesson(); };
get("write").onclick = toggle;
get("clear").onclick = () => { get("text").value = ""; if (running) toggle(); read(""); show(); get("text").focus(); };
get("text").addEventListener("input", () => { if (running) toggle(); read(get("text").value); show(); });
get("text").addEventListener("keydown", event => {
  const { value, selectionStart } = get("text"), held = event.shiftKey || event.ctrlKey || event.altKey || event.metaKey;
  if (event.key !== "ArrowRight" || held || event.isComposing || running || selectionStart < value.length) return;
  event.preventDefault();
  take([chosen(marks.at(-1).logits, forbidden(ids, true), 0)]);
});
document.addEventListener("keydown", event => { if (event.key === "Escape" && running) toggle(); });
read("");
say();
show();
window.sunhwan = { write, encode, decode };
