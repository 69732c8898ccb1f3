// The page of a forecaster: numbers are pasted, the future is drawn.
const NAMED = MODEL.columns.length > 1;
const SAY = {
  en: { about: "Paste a series, and its future is drawn. Nothing leaves this page.", other: "한국어",
    given: `The past, the oldest first: ${NAMED ? `a step a line, ${MODEL.columns.join(", ")}` : "a number a line"}${DATES("en")}.`,
    band: "the median, and a band that 80 % should fall into", step: "step", median: "median", from: "from", to: "to",
    faults: {
      unclear: f => `Line ${f.line}: it is not clear what separates its numbers, or whether a comma is decimal: write them such as 10.1 11.2`,
      number: f => `Line ${f.line}: “${f.cell}” is not a number: write one such as -0.5`,
      columns: f => `Line ${f.line} has ${f.count} ${f.count === 1 ? "number" : "numbers"}, but ${f.wide} ${f.wide === 1 ? "is" : "are"} needed: one for each series`,
      short: f => `${f.count === 1 ? "There is 1 step" : `There are ${f.count} steps`}, but at least ${f.least} are needed to go on from`,
      dated: f => `Line ${f.line}: this model reads numbers without dates: leave them out`,
      undated: f => `Line ${f.line}: this model reads dates: write one before the number, such as ${EXAMPLE}`,
      gap: f => `Line ${f.line} is empty, but every line is a step: write its number, or remove the line`,
      partly: f => `Line ${f.line} has no date, but line ${f.other} has one: write one in every line, or in none`,
      calendar: f => `Line ${f.line}: ${f.cell} is no time of the model's calendar, which goes on as ${EXAMPLE}`,
      order: f => `Line ${f.line}: the time does not come after the one before: give the oldest first`,
      apart: () => "The times are so far apart that most are missing: give the lines between",
    } },
  ko: { about: "시계열을 붙여 넣으면 그 앞날을 그립니다. 아무것도 이 페이지 밖으로 나가지 않습니다.", other: "English",
    given: `지난 값을 오래된 것부터: ${NAMED ? `한 줄에 한 시점, ${MODEL.columns.join(", ")}` : "한 줄에 수 하나"}${DATES("ko")}.`,
    band: "중앙값, 그리고 열에 여덟이 들어갈 구간", step: "시점", median: "중앙값", from: "아래", to: "위",
    faults: {
      unclear: f => `${f.line}번째 줄: 무엇이 수와 수를 나누는지, 쉼표가 소수점인지 알 수 없습니다. 10.1 11.2처럼 쓰세요`,
      number: f => `${f.line}번째 줄: “${f.cell}”은(는) 수가 아닙니다. -0.5 같은 수를 쓰세요`,
      columns: f => `${f.line}번째 줄에 수가 ${f.count}개 있지만 ${f.wide}개여야 합니다. 시계열마다 하나씩 쓰세요`,
      short: f => `시점이 ${f.count}개뿐입니다. 이어 가려면 적어도 ${f.least}개가 있어야 합니다`,
      dated: f => `${f.line}번째 줄: 이 모델은 날짜 없이 수만 읽습니다. 날짜를 빼세요`,
      undated: f => `${f.line}번째 줄: 이 모델은 날짜를 읽습니다. 수 앞에 ${EXAMPLE} 같은 날짜를 쓰세요`,
      gap: f => `${f.line}번째 줄이 비어 있지만 한 줄이 한 시점입니다. 수를 쓰거나 줄을 지우세요`,
      partly: f => `${f.line}번째 줄에는 날짜가 없지만 ${f.other}번째 줄에는 있습니다. 모든 줄에 쓰거나 모두 빼세요`,
      calendar: f => `${f.line}번째 줄: ${f.cell}은(는) 모델의 달력에 없는 때입니다. 달력은 ${EXAMPLE}처럼 이어집니다`,
      order: f => `${f.line}번째 줄: 바로 앞의 때보다 뒤가 아닙니다. 오래된 것부터 쓰세요`,
      apart: () => "때가 너무 멀리 떨어져 있어 빠진 값이 대부분입니다. 그 사이의 줄도 쓰세요",
    } },
};
function DATES(language) {
  if (!CALENDAR) return "";
  const line = [dated(), ...MODEL.columns.slice(1).map((_, n) => n + 3)].join(" "), must = MODEL.cycles.length;
  return language === "en" ? `, ${must ? "each behind its date" : "with its date before it if you like"}, such as ${line}`
    : `, ${must ? "앞에 날짜를 붙여" : "원하면 앞에 날짜를 붙여"} (예: ${line})`;
}
function dated() { return `${timeOf(0)} 12.5`; }

// The date of the example is not broken at its hyphens.
function keepTogether(node) {
  const [before, after] = CALENDAR ? node.textContent.split(dated()) : [];
  if (after === undefined) return;
  node.replaceChildren(before, made("span", dated(), { whiteSpace: "nowrap" }), after);
}
const EXAMPLE = CALENDAR ? [0, 1, 2].map(timeOf).join(", ") : "";
const HEIGHT = 240, LEFT = 52, BOTTOM = 22, PAST = 4, LABEL = 90;

function drawn(kind, facts, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(facts)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// Round numbers from the least to the most, three to six of them.
function ticks(least, most) {
  const rough = (most - least) / 5 || 1, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(n => n * unit).find(n => n >= rough), first = Math.ceil(least / step);
  return upTo(Math.floor(most / step) - first + 1, n => (first + n) * step);
}

const digits = scale => Math.min(Math.max(scale ? 2 - Math.floor(Math.log10(scale)) : 3, 0), 12);
const shorter = (v, step) => v.toLocaleString(language, { maximumFractionDigits: Math.max(0, -Math.floor(Math.log10(step || 1))) });

// The end of the past, the median of the future and the band around it.
function plot(values, quantiles, times) {
  const WIDTH = Math.min(Math.max(get("answer").clientWidth, 320), 736);
  const past = values.slice(-Math.max(PAST * HORIZON, 3 * SEASON)), count = past.length + HORIZON;
  const all = [...past.filter(isKnown), ...quantiles.flatMap(row => [row[0], row.at(-1)])];
  const least = Math.min(...all), most = Math.max(...all), high = most - least || 1;
  const x = n => LEFT + (WIDTH - LEFT - 8) * n / (count - 1), y = v => 8 + (HEIGHT - BOTTOM - 16) * (1 - (v - least) / high);
  const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": SAY[language].band });
  const marks = ticks(least, most);
  for (const v of marks) {
    svg.append(drawn("line", { class: "grid", x1: LEFT, x2: WIDTH - 8, y1: y(v), y2: y(v) }));
    svg.append(drawn("text", { x: LEFT - 6, y: y(v) + 4, "text-anchor": "end" }, shorter(v, marks[1] - marks[0])));
  }
  const names = [[0, "start"], [past.length - 1, "end"], [count - 1, "end"]];
  for (const [n, anchor] of names.filter(([n], k) => k === 0 || x(n) - x(names[k - 1][0]) > LABEL)) svg.append(drawn("text", { x: x(n), y: HEIGHT - 4, "text-anchor": anchor }, times(n - past.length)));
  const lower = quantiles.map((row, h) => [x(past.length + h), y(row[0])]), upper = quantiles.map((row, h) => [x(past.length + h), y(row.at(-1))]);
  const last = isKnown(past.at(-1)) ? [[x(past.length - 1), y(past.at(-1))]] : [];
  svg.append(drawn("polygon", { class: "band", points: [...last, ...upper, ...lower.reverse()].join(" ") }));
  let line = "";
  past.forEach((v, n) => { if (isKnown(v)) line += `${n && isKnown(past[n - 1]) ? "L" : "M"}${x(n)} ${y(v)}`; });
  svg.append(drawn("path", { class: "past", d: line }));
  const middle = quantiles.map((row, h) => [x(past.length + h), y(row[(row.length - 1) / 2])]);
  svg.append(drawn("polyline", { class: "median", points: [...last, ...middle].join(" ") }));
  return svg;
}

// The numbers of the future, a step a row.
function numbers(quantiles, scale, times) {
  const table = document.createElement("table"), words = SAY[language], places = digits(scale);
  table.append(tableRow(...[words.step, words.median, words.from, words.to].map(word => made("th", word))));
  quantiles.forEach((row, h) => {
    const shown = [row[(row.length - 1) / 2], row[0], row.at(-1)].map(v => v.toFixed(places));
    table.append(tableRow(...[times(h), ...shown].map(cell => made("td", cell))));
  });
  return table;
}

function showForecasts({ series, first }) {
  const blocks = series.flatMap((values, n) => {
    const { quantiles, scale } = forecast(values, first);
    // Steps from the first of the future on, as dates or as so many behind the last.
    const times = h => first === null ? `${h < 0 ? h + 1 : `+${h + 1}`}` : timeOf(first + values.length + h);
    const figure = document.createElement("figure");
    figure.append(plot(values, quantiles, times), made("figcaption", `${NAMED ? `${MODEL.columns[n]}: ` : ""}${SAY[language].band}`));
    return [figure, numbers(quantiles, scale, times)];
  });
  get("answer").replaceChildren(...blocks);
  return blocks;
}

function show() {
  keepTogether(get("given"));
  attempted(() => showForecasts(readSeries(get("text").value)), SAY[language].faults) ?? get("answer").replaceChildren();
}

get("text").addEventListener("input", () => soon(show));
twoLanguages(SAY, show);
show();
window.sunhwan = { forecast: text => { const { series, first } = readSeries(text); return series.map(values => forecast(values, first).quantiles); } };
