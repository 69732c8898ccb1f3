// What every page that answers has: nodes made of text, two languages, an answer a moment after the last key.
const get = id => document.getElementById(id);
let language = (navigator.language || "en").startsWith("ko") ? "ko" : "en", pending = 0;

function made(kind, text, style = {}) {
  const node = document.createElement(kind);
  node.textContent = text;
  Object.assign(node.style, style);
  return node;
}

function tableRow(...cells) {
  const node = document.createElement("tr");
  node.append(...cells);
  return node;
}

// The words of the page by the ids of their nodes; `other` is the other language's name.
function say(words) {
  const { other, ...texts } = words[language];
  document.documentElement.lang = language;
  for (const [id, text] of Object.entries(texts)) if (typeof text === "string" && get(id)) get(id).textContent = text;
  get("language").textContent = other;
  get("language").lang = language === "en" ? "ko" : "en";
}

function twoLanguages(words, show) {
  get("language").onclick = () => { language = language === "en" ? "ko" : "en"; say(words); show(); };
  say(words);
}

function soon(show, wait = 150) {
  clearTimeout(pending);
  pending = setTimeout(show, wait);
}

// Runs a generator a little at a time, so that the page stays awake, until `soon` or a change of what is asked ends it.
function inSlices(work, done = () => {}) {
  const begun = performance.now();
  let found;
  do found = work.next(); while (!found.done && performance.now() - begun < 30);
  if (found.done) done(); else pending = setTimeout(inSlices, 0, work, done);
}

// What a function makes of what is given; null, and its fault said, where that cannot be read.
function attempted(work, faults) {
  let found = null, fault = "";
  try {
    found = work();
  } catch (thrown) {
    if (!thrown.fault) throw thrown;
    fault = faults[thrown.fault](thrown);
  }
  get("fault").textContent = fault;
  return found;
}

const MORE = { en: count => `… and ${count} more`, ko: count => `… 그 밖에 ${count}개` };

// Names with their probabilities as bars, the likeliest first, of which the place is returned; how many are left out.
function showBars(names, shares, most = 20) {
  const order = [...shares.keys()].sort((a, b) => shares[b] - shares[a]).slice(0, most), left = shares.length - order.length;
  get("answer").replaceChildren(...order.map(n => {
    const line = document.createElement("div");
    line.className = "bar";
    line.append(made("span", names[n]), made("i", "", { width: `${100 * shares[n]}%` }), made("small", `${(100 * shares[n]).toFixed(1)}%`));
    return line;
  }), ...left ? [made("small", MORE[language](left))] : []);
  return order[0];
}

// A piece of what was read, coloured by how much the model looked at it.
function weighed(kind, piece, weight) {
  const node = made(kind, piece, { backgroundColor: `rgb(230 120 0 / ${Math.min(weight, 1).toFixed(3)})` });
  node.className = "piece";
  node.title = `${(100 * weight).toFixed(1)}%`;
  return node;
}
