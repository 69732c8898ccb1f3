/** All that the page says, in English and Korean, and how numbers are written. */

const WORDS = {
  skip: ["Skip to the text", "글로 건너뛰기"],
  model: ["Model", "모델"],
  light: ["Light", "밝게"],
  dark: ["Dark", "어둡게"],
  switchTheme: ["Switch between light and dark", "밝은 화면과 어두운 화면 바꾸기"],
  training: ["training", "학습 중"],
  notReady: ["not ready: {reason}", "준비되지 않음: {reason}"],
  noModels: ["There is no model here.", "모델이 없습니다."],
  unreachable: [
    "The server does not answer: is `sunhwan serve` still running?",
    "서버가 응답하지 않습니다. `sunhwan serve`가 실행 중인지 확인하세요.",
  ],
  refused: ["The server refused with status {n}.", "서버가 상태 코드 {n}로 거절했습니다."],

  layers: ["layers: {n}", "층 {n}개"],
  units: ["units: {n}", "유닛 {n}개"],
  parameters: ["parameters: {n}", "매개변수 {n}개"],
  vocabulary: ["vocabulary: {n} {kind}", "어휘: {kind} {n}개"],
  characters: ["characters", "글자"],
  jamo: ["jamo", "자모"],
  bytes: ["bytes", "바이트"],
  words: ["words", "단어"],
  subwords: ["subwords", "서브워드"],

  text: ["Text", "글"],
  question: ["Question", "질문"],
  typeHere: ["Type here …", "여기에 글을 쓰세요 …"],
  askHere: ["Type a question to the model …", "모델에게 물어볼 글을 쓰세요 …"],
  keys: [
    "Tab inserts the grey text, Alt+1 … 8 a token, Esc hides them; Tab then leaves the text.",
    "Tab은 회색 글을, Alt+1 … 8은 토큰을 넣습니다. Esc로 감추면 Tab으로 글상자를 나갑니다.",
  ],
  colourBy: ["Colour by", "색칠 기준"],
  surprise: ["surprise", "놀라움"],
  unit: ["unit", "유닛"],
  mattered: ["what mattered", "영향"],
  plain: ["nothing", "없음"],
  layer: ["Layer", "층"],
  layerName: ["layer {n} · {cell}", "{n}층 · {cell}"],
  forward: ["forward", "정방향"],
  backward: ["backward", "역방향"],
  recurrent: ["recurrent", "순환"],
  encoder: ["encoder", "인코더"],
  decoder: ["decoder", "디코더"],
  value: ["Value", "값"],
  unitNumber: ["Unit", "유닛"],
  probed: ["Found by probes", "탐침이 찾은 유닛"],
  choose: ["choose …", "고르기 …"],
  probedUnit: ["{feature} · unit {n}", "{feature} · 유닛 {n}"],
  way: ["Measure", "재는 법"],
  gradient_x_input: ["gradient × input", "기울기 × 입력"],
  occlusion: ["occlusion", "가리기"],
  legendSurprise: ["surprise −log p, in nats", "놀라움 −log p, 단위 nat"],
  legendUnit: ["{value} of unit {n}", "유닛 {n}의 {value}"],
  legendMattered: ["towards and against “{said}” ({p})", "“{said}”({p})에 보탬과 거스름"],
  noteSurprise: ["surprise {n} nats (p = {p})", "놀라움 {n} nat (p = {p})"],
  noteUnit: ["{value} of unit {n}: {v}", "유닛 {n}의 {value}: {v}"],
  noteMattered: ["mattered: {v}", "영향: {v}"],
  noteNothing: ["not predicted from anything before", "앞선 글이 없어 예측하지 않음"],
  activeUnits: ["Units most active here", "여기서 가장 활발한 유닛"],
  activeAt: ["Most active at “{label}”:", "“{label}”에서 가장 활발한 유닛:"],
  activeNear: [
    "Most active at “{label}”, of at most the last {n} characters:",
    "최대 마지막 {n}글자만 읽고 본, “{label}”에서 가장 활발한 유닛:",
  ],
  tooLong: ["The text is too long to be coloured all over.", "글이 길어서 일부만 색칠됩니다."],
  asRead: ["As the model reads it", "모델이 읽은 대로"],

  next: ["Next", "다음"],
  nextLive: ["Likely next: {said}", "다음 후보: {said}"],
  entropy: ["entropy {n} nats", "엔트로피 {n} nat"],
  insertCandidate: ["Insert {label}, {p}, Alt+{n}", "{label} 넣기, {p}, Alt+{n}"],
  writing: ["Writing", "글쓰기"],
  temperature: ["Temperature", "온도"],
  topK: ["Top-k", "Top-k"],
  topP: ["Top-p", "Top-p"],
  all: ["all", "전체"],
  length: ["Tokens to write", "쓸 토큰 수"],
  seed: ["Seed", "시드"],
  drawn: ["drawn", "무작위"],
  seedWas: ["Seed {n}", "시드 {n}"],
  writeOn: ["Write on", "이어 쓰기"],
  stop: ["Stop", "멈추기"],
  clear: ["Clear", "지우기"],

  answer: ["Answer", "답"],
  noAnswer: ["The answer appears here.", "여기에 답이 나옵니다."],
  others: ["Other answers", "다른 답"],
  attention: ["Where the answer looked", "답이 바라본 곳"],
  attentionOf: [
    "Attention: {rows} written pieces, {columns} read. Arrow keys move, Enter colours the question by what mattered for a piece.",
    "어텐션: 쓴 조각 {rows}개, 읽은 조각 {columns}개. 화살표로 움직이고 Enter로 그 조각에 영향을 준 글을 색칠합니다.",
  ],
  beam: ["Beam", "빔"],
  answers: ["Answers", "답의 수"],
  ask: ["Ask", "묻기"],
  noForecast: [
    "The forecast appears here. To forecast from a file: `sunhwan predict RUN series.csv`.",
    "여기에 예측이 나옵니다. 파일로 예측하려면: `sunhwan predict RUN series.csv`",
  ],
  series: ["Series", "시계열"],
  seriesHere: [
    "Numbers, a row a line, the oldest first; each after its date, if you like …",
    "숫자를 한 줄에 한 행씩, 오래된 것부터 쓰세요. 앞에 날짜를 써도 됩니다 …",
  ],
  columnsRead: ["Columns: {names}", "열: {names}"],
  forecastSaid: [
    "Next: {median}, with {p} between {lower} and {upper}. {n} steps in all.",
    "다음 값: {median}, {p} 구간 {lower} … {upper}. 모두 {n}단계를 예측했습니다.",
  ],
  forecastOf: [
    "Chart of {name}: what was given, and {n} steps of forecast. The numbers are in the table below.",
    "{name} 그래프: 주어진 값과 {n}단계 예측. 숫자는 아래 표에 있습니다.",
  ],
  time: ["time", "시점"],
  given: ["given", "주어진 값"],
  median: ["median", "중앙값"],
  band: ["{p} band", "{p} 구간"],
  lower: ["lower", "하한"],
  upper: ["upper", "상한"],

  views: ["Views", "보기"],
  gates: ["Gates", "게이트"],
  learning: ["Learning", "학습"],
  findings: ["Findings", "분석"],
  gate: ["Gate or state", "게이트 또는 상태"],
  order: ["Order", "순서"],
  byIndex: ["by number", "번호순"],
  byMean: ["by mean", "평균순"],
  gatesLabel: [
    "{value}: {units} units over {steps} steps. Arrow keys move, Enter colours the text by the unit.",
    "{value}: 유닛 {units}개, {steps}단계. 화살표로 움직이고 Enter로 그 유닛에 따라 글을 색칠합니다.",
  ],
  gatesTail: [
    "The last {n} characters, read from the beginning of a text.",
    "마지막 {n}글자를 글의 처음으로 보고 읽었습니다.",
  ],
  gatesEmpty: ["Write something to see the gates.", "글을 쓰면 게이트가 보입니다."],
  gateCell: ["unit {n} at “{label}”: {v}", "“{label}”에서 유닛 {n}: {v}"],
  open: ["Units that stay open ({gate}): ", "계속 열려 있는 유닛({gate}): "],
  noneOpen: ["No unit stays open.", "계속 열려 있는 유닛이 없습니다."],
  noStacks: ["This model has no layers to look into.", "들여다볼 층이 없는 모델입니다."],

  noLosses: ["This run has no log.", "학습 기록이 없습니다."],
  trainingLoss: ["training", "학습"],
  validationLoss: ["validation", "검증"],
  gradientNorm: ["gradient norm", "기울기 크기"],
  normShort: ["norm", "크기"],
  step: ["step", "스텝"],
  loss: ["loss", "손실"],
  lossAt: ["Step {step}: training loss {loss}. ", "스텝 {step}: 학습 손실 {loss}. "],
  validationAt: [
    "Best validation {loss} at step {step}. ",
    "가장 좋은 검증 손실 {loss}, 스텝 {step}. ",
  ],
  clippedShare: ["Clipped: {p} of the steps. ", "기울기를 자른 스텝: {p}. "],
  live: ["Training now.", "지금 학습하고 있습니다."],
  finished: ["Finished.", "끝났습니다."],

  noReport: [
    "This run has not been looked into. The command that does it:",
    "아직 분석하지 않은 모델입니다. 다음 명령으로 분석합니다:",
  ],
  fullReport: ["Open the whole report", "전체 보고서 열기"],
  flow: ["How far gradients reach", "기울기가 닿는 거리"],
  flowSaid: [
    "Median norm of ∂L/∂state by steps back, as a share of its start; the band holds the middle half of {n} stretches.",
    "뒤로 간 단계에 따른 ∂L/∂상태 크기의 중앙값(시작 대비). 띠에는 {n}개 구간의 가운데 절반이 들어갑니다.",
  ],
  lag: ["steps back", "뒤로 간 단계"],
  norm: ["share of the start", "시작 대비 비율"],
  horizonAt: ["{name}: under 1 % from {n} steps back", "{name}: {n}단계부터 1% 미만"],
  horizonBeyond: ["{name}: reaches beyond {n} steps", "{name}: {n}단계 너머까지 닿음"],
  probes: ["What single units know", "유닛 하나가 아는 것"],
  probesSaid: [
    "The unit that tells each feature best, and the score that chance would reach.",
    "특징마다 가장 잘 알아맞히는 유닛과 우연으로 나올 점수입니다.",
  ],
  feature: ["Feature", "특징"],
  score: ["Score", "점수"],
  chance: ["Chance", "우연"],
  passed: ["Passed", "통과"],
  yes: ["yes", "예"],
  no: ["no", "아니요"],
  colourWith: ["Colour the text by unit {n}", "유닛 {n}에 따라 글을 색칠하기"],
  pictureFailed: ["The picture cannot be drawn here.", "그림을 그릴 수 없습니다."],
};

const place = () => (document.documentElement.lang === "ko" ? 1 : 0);

export const has = (key) => Object.hasOwn(WORDS, key);

/** The sentence of a key, with {names} filled in. */
export function say(key, values = {}) {
  return WORDS[key][place()].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** A name that the model gave: in the reader's language where it is one of ours. */
export const called = (name) => (has(name) ? say(name) : String(name));

/** A number with at most so many decimals, as the language writes it. */
export function number(value, decimals = 0) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const options = { maximumFractionDigits: decimals, minimumFractionDigits: decimals };
  return value.toLocaleString(document.documentElement.lang, options).replace(/^-/, "−");
}

/** A probability: "42 %", "0.3 %". */
export function percent(share) {
  return `${number(share * 100, share < 0.0995 ? 1 : 0)} %`;
}

const TARGETS = {
  word: null,
  wordLabel: "aria-label",
  wordTitle: "title",
  wordHint: "placeholder",
};

/** Fill in what the elements below `root` say by their data-word… attributes. */
export function translate(root) {
  for (const [name, attribute] of Object.entries(TARGETS)) {
    const written = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    for (const found of root.querySelectorAll(`[data-${written}]`)) {
      const said = say(found.dataset[name]);
      if (attribute) found.setAttribute(attribute, said);
      else found.textContent = said;
    }
  }
}
