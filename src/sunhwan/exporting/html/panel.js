// The panel that trains: start, watch the loss fall, the samples grow clear, the state and its gradient.
const LESSON = {
  en: "the sun is up, the cat is in.\nthe cat sits where the sun comes in.\nthe sun goes down, the cat goes out.\nthe moon comes up, the mice look out.\n",
  ko: "해가 뜨면 고양이가 들어옵니다.\n고양이는 해가 드는 자리에 앉습니다.\n해가 지면 고양이가 나갑니다.\n달이 뜨면 쥐들이 내다봅니다.\n",
};
Object.assign(SAY.en, { train: "Train a network", from: "Start from", random: "random weights", model: "this model",
  cell: "cell", units: "units", rate: "learning rate", lesson: "The text to learn", start: "Start", on: "Go on", halt: "Stop", anew: "Start again",
  download: "Weights", loss: "Loss, bits a token", state: "Hidden state: units down, tokens across",
  lag: "Gradient through time: ‖∂ loss / ∂ h‖ so many steps before, relative to the last", samples: "What it writes",
  step: "step", bits: "bits a token", tokens: "tokens/s", short: "The text needs two tokens at least.",
  unknown: "Not in the model's vocabulary", why: "This model's training cannot go on here:" });
Object.assign(SAY.ko, { train: "신경망 학습", from: "시작", random: "무작위 가중치", model: "이 모델",
  cell: "셀", units: "유닛 수", rate: "학습률", lesson: "학습할 글", start: "시작", on: "계속", halt: "멈춤", anew: "처음부터",
  download: "가중치", loss: "손실(토큰당 비트)", state: "은닉 상태: 세로는 유닛, 가로는 토큰",
  lag: "시간을 거슬러 가는 기울기: 몇 걸음 앞 ‖∂ 손실 / ∂ h‖, 마지막 걸음 대비", samples: "지금 쓰는 글",
  step: "걸음", bits: "비트/토큰", tokens: "토큰/초", short: "글에 토큰이 둘 이상 있어야 합니다.",
  unknown: "모델 어휘에 없음", why: "이 모델은 여기서 이어 학습할 수 없습니다:" });

// Why the model is not trained on, in Korean; what is not here stays as it is.
const REASONS = { "its embedding is not a layer of its own": "임베딩이 따로 있는 층이 아닙니다", "its gates have no biases": "게이트에 편향이 없습니다",
  "something goes around its layers": "층을 건너뛰는 연결이 있습니다", "it normalises between its layers": "층 사이에서 정규화합니다",
  "its layers read what they gave some steps before": "몇 걸음 앞의 출력을 다시 읽습니다", "it is trained with zoneout": "존아웃으로 학습했습니다",
  "its step is computed from other numbers than are learned": "학습하는 수를 바꾸어 계산에 씁니다" };

let lesson = null, learning = false;
// lesson: what is being trained: the trainer, ids, decode, position, the losses, the time used.

// A vocabulary of the text itself: characters, and where a fifth of them are syllables of Hangul their letters.
function vocabularyOf(text) {
  const hangul = [...text].filter(c => c >= "가" && c <= "힣").length > text.length / 5;
  const split = hangul ? letters : text => [...text], tokens = [...new Set(split(text))].sort();
  const places = new Map(tokens.map((token, n) => [token, n]));
  return { size: tokens.length, ids: split(text).map(token => places.get(token)), decode: ids => composed(ids.map(n => tokens[n]).join("")) };
}

// The weights of the page's model, put into a trainer; its state before the first token.
function takeModel(train) {
  for (const [name, place] of Object.entries(TRAINING.model.weights)) {
    if (!place.length) { train.w[name].fill(0); continue; }
    const [source, transposed] = place, numbers = array(source), [rows, columns] = train.net.shapes[name];
    if (transposed) transpose(train.w[name], numbers, columns, rows); else train.w[name].set(numbers);
  }
}
const initialOf = (l, field) => MODEL.initial[`state_${l}_${field}`];

function begun() {
  const text = normal(get("lesson").value), random = get("from").value === "random";
  const words = random ? vocabularyOf(text) : { size: TOKENS.length, ids: encode(text), decode };
  if (words.ids.length < 2) return null;
  const T = Math.min(32, words.ids.length - 1), N = Math.max(1, Math.min(16, Math.floor(words.ids.length / T)));
  const net = random ? network([[get("cell").value, Number(get("units").value)]], words.size, 0)
    : network(TRAINING.model.layers, words.size, TRAINING.model.weights["0 W_x"] ? MODEL.width : 0);
  const train = trainer(net, N, T), initial = random ? undefined : initialOf;
  if (random) fresh(train); else takeModel(train);
  reset(train.block, initial);
  return { ...words, train, initial, position: 0, losses: [], seconds: 0, samples: [], rate: Number(get("rate").value) };
}

function strange() {
  const text = normal(get("lesson").value);
  if (get("from").value === "random") return "";
  const found = unknown(text);
  return KIND === "words" ? String(found.length || "") : [...new Set(found)].join(" ");
}

function trainOn() {
  if (!learning) return;
  const begin = performance.now();
  let first = true;
  while (first || performance.now() - begin < 40) {
    const look = first ? (norms, inputs) => Object.assign(lesson, { norms, shown: inputs }) : null;
    lesson.losses.push(learn(lesson.train, lesson.ids, lesson.position, lesson.rate, look));
    if (look) lesson.state = lesson.train.block.layers.at(-1).next_h.slice();
    carry(lesson.train.block);
    lesson.position = (lesson.position + lesson.train.T) % lesson.ids.length;
    first = false;
  }
  lesson.seconds += (performance.now() - begin) / 1000;
  const last = lesson.samples[0];
  if (!last || lesson.losses.length > 1.6 * last.step || lesson.seconds > last.seconds + 3) {
    const ids = drawn(lesson.train, lesson.ids[0], 100, lesson.initial);
    lesson.samples = [{ step: lesson.losses.length, seconds: lesson.seconds, bits: lesson.losses.at(-1), text: lesson.decode(ids) }, ...lesson.samples].slice(0, 10);
  }
  showLesson();
  setTimeout(trainOn, 0);
}

function showLesson() {
  const words = SAY[language];
  sayLesson();
  if (!lesson || !lesson.losses.length) return;
  const { losses, train, seconds } = lesson, speed = losses.length * train.N * train.T / seconds;
  get("progress").textContent = `${words.step} ${losses.length} · ${losses.at(-1).toFixed(2)} ${words.bits} · ${Math.round(speed).toLocaleString()} ${words.tokens}`;
  drawLoss(canvasOf("loss"), losses);
  drawState(canvasOf("hidden"), lesson);
  drawLag(canvasOf("lag"), lesson.norms);
  get("samples").replaceChildren(...lesson.samples.map(({ step, bits, text }) => {
    const item = document.createElement("li"), small = document.createElement("small"), written = document.createElement("div");
    small.textContent = `${words.step} ${step} · ${bits.toFixed(2)} ${words.bits}`;
    written.textContent = text;
    item.append(small, written);
    return item;
  }));
}

function canvasOf(id) {
  const canvas = get(id), scale = window.devicePixelRatio || 1, { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const to = canvas.getContext("2d");
  to.scale(scale, scale);
  to.fillStyle = to.strokeStyle = getComputedStyle(canvas).color;
  to.font = "12px system-ui, sans-serif";
  return { to, width, height };
}

function drawLoss({ to, width, height }, losses) {
  const top = Math.max(...losses.slice(0, 20), losses.at(-1)), left = 34, low = height - 16;
  const y = loss => 8 + (low - 8) * (1 - Math.min(loss / top, 1));
  for (const part of [0, 0.5, 1]) to.fillText((top * part).toFixed(1), 0, y(top * part) + 4);
  to.fillText(String(losses.length), width - 8 * String(losses.length).length, height - 2);
  to.lineWidth = 1.5;
  to.beginPath();
  for (let x = left; x < width; x++) {
    const n = Math.floor((x - left) / (width - left) * losses.length);
    to.lineTo(x, y(losses[n]));
  }
  to.stroke();
}

// h of the first stream over the block, the first 32 units.
function drawState({ to, width, height }, { state, shown, train, decode }) {
  const { N, T } = train, H = train.net.layers.at(-1).step.hidden, units = Math.min(H, 32);
  const w = width / T, h = (height - 16) / units, ink = to.fillStyle;
  for (let t = 0; t < T; t++) {
    for (let u = 0; u < units; u++) {
      const value = state[t * N * H + u], share = Math.min(Math.abs(value), 1).toFixed(3);
      to.fillStyle = value > 0 ? `rgb(220 40 40 / ${share})` : `rgb(40 90 230 / ${share})`;
      to.fillRect(t * w, u * h, w - 0.5, h);
    }
    to.fillStyle = ink;
    const text = decode([shown[t * N]]);
    to.fillText(text === "\n" ? "⏎" : text.slice(0, 2), t * w + 1, height - 3, w);
  }
}

// Bars from 1 down to 10⁻⁶, on a scale of powers of ten.
function drawLag({ to, width, height }, norms) {
  const left = 34, low = height - 16, w = (width - left) / norms.length;
  const y = norm => 8 + (low - 8) * Math.min(Math.max(-Math.log10(norm) / 6, 0), 1);
  ["1", "10⁻²", "10⁻⁴", "10⁻⁶"].forEach((text, n) => to.fillText(text, 0, y(10 ** (-2 * n)) + 4));
  norms.forEach((norm, k) => {
    to.fillRect(left + k * w, y(norm), Math.max(w - 1.5, 1), Math.max(low - y(norm), norm ? 1 : 0));
    if (k % 8 === 0) to.fillText(`−${k}`, left + k * w, height - 2);
  });
}

function toggleLesson() {
  if (!learning && !lesson) lesson = begun();
  learning = Boolean(lesson) && !learning;
  if (!lesson) get("progress").textContent = SAY[language].short;
  sayLesson();
  if (learning) trainOn();
}

function forgetLesson() {
  lesson = null;
  learning = false;
  get("progress").textContent = "";
  get("samples").replaceChildren();
  for (const id of ["loss", "hidden", "lag"]) canvasOf(id);
  sayLesson();
}

// The weights as a safetensors file.
function download() {
  const { net, weights } = lesson.train, header = {};
  let at = 0;
  for (const [name, [rows, columns]] of Object.entries(net.shapes)) {
    header[name] = { dtype: "F32", shape: [rows, columns], data_offsets: [at, at += 4 * rows * columns] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header)), length = new DataView(new ArrayBuffer(8));
  length.setUint32(0, text.length, true);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([length.buffer, text, weights.slice()]));
  link.download = "weights.safetensors";
  link.click();
  URL.revokeObjectURL(link.href);
}

function sayLesson() {
  const words = SAY[language], missing = strange(), random = get("from").value === "random";
  for (const option of get("from").options) option.textContent = words[option.value];
  get("learn").textContent = learning ? words.halt : lesson ? words.on : words.start;
  get("learn").setAttribute("aria-pressed", learning);
  get("anew").textContent = words.anew;
  get("download").textContent = words.download;
  get("download").disabled = !lesson;
  get("network").hidden = !random;
  get("strange").textContent = [TRAINING.why && `${words.why} ${language === "ko" && REASONS[TRAINING.why] || TRAINING.why}.`, missing && `${words.unknown}: ${missing}`].filter(Boolean).join(" ");
  for (const id of ["loss", "hidden", "lag"]) get(id).setAttribute("aria-label", words[id === "hidden" ? "state" : id]);
  const other = LESSON[language === "en" ? "ko" : "en"];
  if (get("lesson").value === other || !get("lesson").value && !lesson && document.activeElement !== get("lesson")) get("lesson").value = LESSON[language];
}

function listSizes() {
  get("units").replaceChildren(...TRAINING.lessons[get("cell").value].map(size => new Option(size, size, false, size === 64)));
}

for (const cell of Object.keys(TRAINING.lessons)) get("cell").append(new Option(cell, cell, false, cell === "gru"));
listSizes();
get("from").options[1].disabled = !TRAINING.model;
for (const id of ["from", "units", "rate"]) get(id).onchange = forgetLesson;
get("cell").onchange = () => { listSizes(); forgetLesson(); };
get("lesson").oninput = forgetLesson;
get("learn").onclick = toggleLesson;
get("anew").onclick = forgetLesson;
get("download").onclick = download;
get("training").ontoggle = showLesson;
say();
