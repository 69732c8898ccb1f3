// What a model is to write about, and where it is given: a text, a drawing, numbers or labels.
const KIND = MODEL.source.kind === "vector" && MODEL.source.image_size ? "image" : MODEL.source.kind;
const SIDE = MODEL.source.image_size, SHARP = 16, SIZE = 280;
// Pixels of the training images, guessed from their mean and deviation: from 0 to 1, 16 or 255, and which end is ink.
// Numbers from 0 to M vary by mean (M − mean) at most (Bhatia and Davis 2000).
const INK = KIND === "image" && inkOf(MODEL.source.mean[0], MODEL.source.deviation[0]);
const question = get("question");

function inkOf(mean, deviation) {
  const most = [1, 16].find(M => deviation ** 2 <= mean * (M - mean) * (1 + 1e-6)) ?? 255;
  return mean > most / 2 ? { ink: 0, paper: most } : { ink: most, paper: 0 };
}

// A text: asked() gives it, null where there is none.
function textQuestion(show) {
  const box = made("textarea", "");
  Object.assign(box, { id: "text", spellcheck: false, autocomplete: "off" });
  box.setAttribute("aria-label", MODEL.columns[0]);
  box.addEventListener("input", () => soon(show));
  question.append(box);
  box.focus();
  return () => box.value.trim() ? box.value : null;
}

function labelled(name, box) {
  const label = made("label", `${name} `);
  label.append(box);
  question.append(label);
}

// Labels: a menu for each column; the number of each label.
function labelQuestion(show) {
  question.className = "row";
  const menus = MODEL.source.labels.map((labels, n) => {
    const menu = document.createElement("select");
    menu.append(...labels.map((label, k) => new Option(label, k)));
    menu.onchange = show;
    labelled(MODEL.columns[n], menu);
    return menu;
  });
  return () => menus.map(menu => +menu.value);
}

// Numbers: a field for each column, or one for all of them.
function numberQuestion(show) {
  const { mean } = MODEL.source, each = MODEL.columns.length === mean.length;
  const names = each ? MODEL.columns : [MODEL.columns.join(", ")];
  question.className = "row";
  const boxes = names.map((name, n) => {
    const box = document.createElement(each ? "input" : "textarea");
    Object.assign(box, { id: `number${n}`, value: each ? +mean[n].toPrecision(3) : mean.map(v => +v.toPrecision(3)).join(" ") });
    box.addEventListener("input", () => soon(show));
    labelled(name, box);
    return box;
  });
  return () => {
    const cells = boxes.flatMap(box => box.value.split(/\s+/).filter(Boolean));
    const wrong = cells.find(cell => Number.isNaN(numberOf(cell)));
    if (wrong !== undefined) throw { fault: "number", cell: wrong };
    if (cells.length !== mean.length) throw { fault: "count", count: cells.length, wide: mean.length };
    return cells.map(numberOf);
  };
}

// A drawing of a finger, a pen or a mouse, and beside it what the model sees of it.
function imageQuestion(show) {
  const [canvas, seen] = [SIZE, SIDE].map(size => Object.assign(document.createElement("canvas"), { width: size, height: size }));
  const clear = made("button", ""), fit = Object.assign(document.createElement("input"), { type: "checkbox", id: "fit", checked: true });
  const strokes = [], label = document.createElement("label"), pen = canvas.getContext("2d");
  Object.assign(canvas, { id: "drawing" });
  Object.assign(seen, { id: "seen" });
  Object.assign(clear, { id: "clear" });
  label.append(fit, " ", Object.assign(made("span", ""), { id: "fits" }));
  question.className = "row";
  question.append(canvas, seen, clear, label, Object.assign(made("small", "", { flexBasis: "100%" }), { id: "assumed" }));
  const draw = () => { pen.clearRect(0, 0, SIZE, SIZE); paint(pen, strokes, SIZE, [0, 0, 1]); };
  const at = event => [SIZE * event.offsetX / canvas.clientWidth, SIZE * event.offsetY / canvas.clientHeight];
  canvas.onpointerdown = event => {
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    strokes.push([at(event)]);
    draw();
  };
  canvas.onpointermove = event => {
    if (!event.buttons || !strokes.length) return;
    strokes.at(-1).push(at(event));
    draw();
  };
  canvas.onpointerup = () => soon(show, 50);
  clear.onclick = () => { strokes.length = 0; draw(); show(); };
  fit.onchange = show;
  matchMedia("(prefers-color-scheme: dark)").onchange = draw;
  return () => {
    const ink = strokes.length ? reduced(strokes, fit.checked) : null;
    showInk(seen, ink ?? Array(SIDE ** 2).fill(0));
    return ink && pixels(ink);
  };
}

// Strokes on a square of some size, moved and scaled; as thick as a pen is in so small an image.
function paint(pen, strokes, size, [left, top, scale]) {
  Object.assign(pen, { lineWidth: size * thickness(), lineCap: "round", lineJoin: "round", strokeStyle: getComputedStyle(document.body).color });
  for (const points of strokes) {
    pen.beginPath();
    for (const [x, y] of [points[0], ...points]) pen.lineTo((x - left) * scale * size / SIZE, (y - top) * scale * size / SIZE);
    pen.stroke();
  }
}

const thickness = () => Math.max(0.09, 1.1 / SIDE);

// Strokes → the share of ink in each of SIDE × SIDE cells; fit: as large as the square allows, in its middle.
function reduced(strokes, fit) {
  const size = SHARP * SIDE, canvas = Object.assign(document.createElement("canvas"), { width: size, height: size });
  const pen = canvas.getContext("2d", { willReadFrequently: true }), all = strokes.flat();
  const [x, y] = [0, 1].map(k => [Math.min(...all.map(p => p[k])), Math.max(...all.map(p => p[k]))]);
  const scale = SIZE * (1 - thickness()) / Math.max(x[1] - x[0], y[1] - y[0], 20), half = SIZE / scale / 2;
  paint(pen, strokes, size, fit ? [(x[0] + x[1]) / 2 - half, (y[0] + y[1]) / 2 - half, scale] : [0, 0, 1]);
  const { data } = pen.getImageData(0, 0, size, size), found = Array(SIDE ** 2).fill(0);
  for (let n = 0; n < size * size; n++) {
    found[Math.floor(n / size / SHARP) * SIDE + Math.floor(n % size / SHARP)] += data[4 * n + 3] / 255 / SHARP ** 2;
  }
  return found;
}

function showInk(canvas, ink) {
  const pen = canvas.getContext("2d"), image = pen.createImageData(SIDE, SIDE);
  const [r, g, b] = getComputedStyle(document.body).color.match(/\d+/g);
  ink.forEach((v, n) => image.data.set([r, g, b, 255 * v], 4 * n));
  pen.putImageData(image, 0, 0);
}

// Shares of ink as the numbers of the training images.
const pixels = shares => shares.map(v => INK.ink ? INK.ink * v : INK.paper * (1 - v));

const QUESTIONS = { text: textQuestion, words: textQuestion, labels: labelQuestion, vector: numberQuestion, image: imageQuestion };
