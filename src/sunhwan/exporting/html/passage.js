// The page of question answering: a passage and a question are typed, and the passage is coloured by where the model looked.
const KOREAN = { passage: "지문", question: "질문" };
const SAY = {
  en: { ...ASKING.en, "text-name": NAMES[0], "question-text-name": NAMES[1], about: "Give a passage and a question, and a word of the passage answers. Nothing leaves this page.", other: "한국어",
    legend: "Where the model looked: the stronger a word's colour, the more. The sentence that the answer is from is underlined." },
  ko: { ...ASKING.ko, "text-name": KOREAN[NAMES[0]] ?? NAMES[0], "question-text-name": KOREAN[NAMES[1]] ?? NAMES[1], about: "지문과 질문을 넣으면 지문의 한 단어로 답합니다. 아무것도 이 페이지 밖으로 나가지 않습니다.", other: "English",
    legend: "모델이 본 곳: 색이 진할수록 더 많이 본 단어입니다. 답이 나온 문장에는 밑줄을 그었습니다." },
};
const boxes = NAMES.map((name, n) => textBox(n ? "question-text" : "text", name, () => soon(show)));

function show() {
  const found = boxes[1].value.trim() ? answer(...boxes.map(box => box.value)) : null;
  for (const id of ["legend", "look"]) get(id).hidden = !found;
  for (const id of ["answer", "look"]) get(id).replaceChildren();
  if (!found) return;
  const { words, weights, places: [from, to], names, shares } = found;
  showBars(names, shares, 5);
  get("look").append(...words.flatMap((word, n) => {
    const node = weighed("span", word, weights[n]);
    if (n >= from && n < to) node.classList.add("evidence");
    return [node, " "];
  }));
}

boxes[0].focus();
twoLanguages(SAY, show);
show();
window.sunhwan = { answer: (...given) => { const { word, probability, evidence } = answer(...given) ?? { word: "", probability: 0, evidence: "" }; return { word, probability, evidence }; } };
