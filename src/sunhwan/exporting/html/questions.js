// What a model is asked about, and where it is given: texts, numbers or labels.
const KIND = MODEL.source.kind === "vector" && MODEL.source.image_size ? "image" : MODEL.source.kind;
const ASKING = {
  en: { faults: {
    number: f => `${f.name ? `${f.name}: ` : ""}“${f.cell}” is not a number: write one such as -0.5`,
    empty: f => `${f.name} is empty: write a number such as -0.5`,
    several: f => `${f.name} holds ${f.count} numbers: write one`,
    count: f => `${f.count === 1 ? "There is 1 number" : `There are ${f.count} numbers`}, but ${f.wide} ${f.wide === 1 ? "is" : "are"} needed` } },
  ko: { faults: {
    number: f => `${f.name ? `${f.name}: ` : ""}“${f.cell}”은(는) 수가 아닙니다. -0.5 같은 수를 쓰세요`,
    empty: f => `${f.name} 칸이 비어 있습니다. -0.5 같은 수를 쓰세요`,
    several: f => `${f.name} 칸에 수가 ${f.count}개 있습니다. 하나만 쓰세요`,
    count: f => `수가 ${f.count}개 있지만 ${f.wide}개여야 합니다` } },
};
const question = get("question");

// The columns that are given apart; of one alone nothing tells its name.
const NAMES = MODEL.columns.length > 1 ? MODEL.columns : [null];

// A box for a text, under the name of its column where it is not alone.
function textBox(id, name, change) {
  const box = Object.assign(made("textarea", ""), { id, spellcheck: false, autocomplete: "off" });
  if (name === null) box.setAttribute("aria-label", MODEL.columns[0] ?? "text");
  else question.append(Object.assign(made("label", name), { htmlFor: id, id: `${id}-name` }));
  box.addEventListener("input", change);
  question.append(box);
  return box;
}

// A text: asked() gives it, null where there is none.
function textQuestion(show) {
  const box = textBox("text", null, () => soon(show));
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
    const cells = boxes.flatMap((box, n) => {
      const words = wordsOf(box.value), wrong = words.find(cell => Number.isNaN(numberOf(cell))), name = each ? names[n] : "";
      if (wrong !== undefined) throw { fault: "number", name, cell: wrong };
      if (each && words.length !== 1) throw { fault: words.length ? "several" : "empty", name, count: words.length };
      return words;
    });
    if (cells.length !== mean.length) throw { fault: "count", count: cells.length, wide: mean.length };
    return cells.map(numberOf);
  };
}

const QUESTIONS = { text: textQuestion, words: textQuestion, labels: labelQuestion, vector: numberQuestion };
