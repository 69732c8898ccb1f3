// An image: a drawing of a finger, or a picture of the disk, and beside it what the model sees of it.
const SIDE = MODEL.source.image_size, SHARP = 16, SIZE = 280, SQUARES = 6;
// Pixels of the training images, guessed from their mean and deviation: from 0 to 1, 16 or 255, and which end is ink.
// Numbers from 0 to M vary by mean (M − mean) at most (Bhatia and Davis 2000).
const INK = inkOf(MODEL.source.mean[0], MODEL.source.deviation[0]);
Object.assign(ASKING.en, { clear: "Clear", fits: "fill the square", picks: "or choose a picture: ", swaps: "light and dark swapped",
  assumed: `Guessed from the training images: ink is ${INK.ink}, paper is ${INK.paper}. If that is wrong, the answers are too.` });
Object.assign(ASKING.ko, { clear: "지우기", fits: "네모에 꽉 차게", picks: "또는 그림 파일 고르기: ", swaps: "밝기 뒤집기",
  assumed: `학습한 이미지에서 추측한 값입니다: 획은 ${INK.ink}, 바탕은 ${INK.paper}. 이 추측이 틀리면 답도 틀립니다.` });
ASKING.en.faults.picture = f => `${f.name} is no picture that this browser reads: choose a PNG or a JPEG`;
ASKING.ko.faults.picture = f => `${f.name}은(는) 이 브라우저가 읽는 그림이 아닙니다. PNG나 JPEG를 고르세요`;

function inkOf(mean, deviation) {
  const most = [1, 16].find(M => deviation ** 2 <= mean * (M - mean) * (1 + 1e-6)) ?? 255;
  return mean > most / 2 ? { ink: 0, paper: most } : { ink: most, paper: 0 };
}

function imageQuestion(show) {
  const [canvas, seen] = [SIZE, SIDE].map(size => Object.assign(document.createElement("canvas"), { width: size, height: size }));
  const box = (id, facts, text) => {
    const label = document.createElement("label"), input = Object.assign(document.createElement("input"), { id, ...facts });
    const words = Object.assign(made("span", ""), { id: text });
    label.append(...facts.type === "file" ? [words, input] : [input, " ", words]);
    return input;
  };
  const fit = box("fit", { type: "checkbox", checked: true }, "fits"), swap = box("swap", { type: "checkbox" }, "swaps");
  const pick = box("pick", { type: "file", accept: "image/*" }, "picks"), clear = Object.assign(made("button", ""), { id: "clear" });
  const strokes = [], pen = canvas.getContext("2d");
  let picture = null;  // that was chosen: its name, the bitmap and what is read of it, null where it is none
  Object.assign(canvas, { id: "drawing" });
  Object.assign(seen, { id: "seen" });
  question.className = "row";
  question.append(canvas, seen, clear, ...[fit, swap, pick].map(input => input.parentNode),
    Object.assign(made("small", "", { flexBasis: "100%" }), { id: "assumed" }));
  const draw = () => {
    pen.clearRect(0, 0, SIZE, SIZE);
    if (picture?.bitmap) pen.drawImage(picture.bitmap, 0, 0, SIZE, SIZE);
    paint(pen, strokes, SIZE, [0, 0, 1]);
    fit.parentNode.hidden = picture !== null;
    swap.parentNode.hidden = picture === null;
  };
  const at = event => [SIZE * event.offsetX / canvas.clientWidth, SIZE * event.offsetY / canvas.clientHeight];
  const leave = () => { picture = null; pick.value = ""; };
  canvas.onpointerdown = event => {
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    leave();
    strokes.push([at(event)]);
    draw();
  };
  canvas.onpointermove = event => {
    if (!event.buttons || !strokes.length) return;
    strokes.at(-1).push(at(event));
    draw();
  };
  canvas.onpointerup = () => soon(show, 50);
  clear.onclick = () => { strokes.length = 0; leave(); draw(); show(); };
  fit.onchange = swap.onchange = show;
  pick.onchange = async () => {
    const [file] = pick.files;
    if (!file) return;
    strokes.length = 0;
    picture = { name: file.name, ...await pictureOf(file).catch(() => ({ whites: null })) };
    draw();
    show();
  };
  matchMedia("(prefers-color-scheme: dark)").onchange = draw;
  draw();
  return () => {
    let ink = strokes.length ? reduced(strokes, fit.checked) : null;
    if (picture) ink = picture.whites && picture.whites.map(v => (INK.ink > 0) !== swap.checked ? v : 1 - v);
    showInk(seen, ink ?? Array(SIDE ** 2).fill(0));
    if (picture && !ink) throw { fault: "picture", name: picture.name };
    return ink && pixels(ink);
  };
}

// A file → its picture, and SIDE × SIDE shares of white as they are read from the disk in Python: over white, grey by
// ITU-R 601, each the mean of a box of pixels.
async function pictureOf(file) {
  const bitmap = await createImageBitmap(file), { width, height } = bitmap;
  const pen = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d", { willReadFrequently: true });
  Object.assign(pen, { fillStyle: "white" }).fillRect(0, 0, width, height);
  pen.drawImage(bitmap, 0, 0);
  const { data } = pen.getImageData(0, 0, width, height), columns = boxes(width);
  const grey = n => (19595 * data[4 * n] + 38470 * data[4 * n + 1] + 7471 * data[4 * n + 2] + 32768 >> 16) / 255;
  const mean = (places, value) => places.reduce((sum, n) => sum + value(n), 0) / places.length;
  const whites = boxes(height).flatMap(rows => columns.map(some => mean(rows, y => mean(some, x => grey(y * width + x)))));
  return { bitmap, whites };
}

// Of each of SIDE cells the pixels, out of so many, whose middle lies in it.
function boxes(count) {
  const wide = Math.max(count / SIDE, 1), places = [...Array(count).keys()];
  return Array.from({ length: SIDE }, (_, cell) => places.filter(n => {
    const at = (n + 0.5 - (cell + 0.5) * count / SIDE) / wide;
    return at > -0.5 && at <= 0.5;
  }));
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

// Squares of an image, each with the image where paper lies in its place.
function squares(image) {
  const wide = Math.ceil(SIDE / SQUARES), starts = Array.from({ length: Math.ceil(SIDE / wide) }, (_, n) => n * wide);
  const inside = (n, start) => n >= start && n < start + wide;
  return starts.flatMap(top => starts.map(left => ({ piece: { top, left, wide },
    without: image.map((v, n) => inside(Math.floor(n / SIDE), top) && inside(n % SIDE, left) ? INK.paper : v) })));
}

// The image, each square coloured by its part.
function showSquares(node, image, parts) {
  const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE, id: "mattered" }), pen = canvas.getContext("2d");
  showInk(canvas, image.map(v => (v - INK.paper) / (INK.ink - INK.paper)));
  for (const { piece: { top, left, wide }, part } of parts) {
    pen.fillStyle = colourOf(part);
    pen.fillRect(left, top, wide, wide);
  }
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-labelledby", "legend");
  node.replaceChildren(canvas);
}

// Shares of ink as the numbers of the training images.
const pixels = shares => shares.map(v => INK.ink ? INK.ink * v : INK.paper * (1 - v));

QUESTIONS.image = imageQuestion;
