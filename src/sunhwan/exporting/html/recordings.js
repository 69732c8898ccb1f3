// Frames: pasted, a line each, or those of a file.
const SOUND = typeof framesOfSound === "function", KINDS = [".npy", ".csv", ".tsv", ".txt", ...SOUND ? [".wav"] : []];
Object.assign(ASKING.en, { assumed: SOUND ? "Sound is read as 40 log-mel energies every 10 ms. If the model learned from other numbers, its answers to sound are wrong." : "",
  frames: f => `${f.count.toLocaleString("en")} frames${f.name ? ` of ${f.name}` : ""}`, lines: `A frame a line, ${WIDE} ${WIDE === 1 ? "number" : "numbers"} each; or a file:` });
Object.assign(ASKING.ko, { assumed: SOUND ? "소리는 10 ms마다 로그 멜 에너지 40개로 읽습니다. 모델이 다른 수로 학습했다면 소리에 대한 답이 틀립니다." : "",
  frames: f => `${f.name ? `${f.name}의 ` : ""}프레임 ${f.count.toLocaleString("ko")}개`, lines: `한 줄에 한 프레임씩 수 ${WIDE}개를 쓰거나 파일을 고르세요:` });
Object.assign(ASKING.en.faults, {
  unclear: f => `${f.name ? `${f.name}, l` : "L"}ine ${f.line}: it is not clear what separates its numbers, or whether a comma is decimal: write them such as 10.1 11.2`,
  cell: f => `${f.name ? `${f.name}, l` : "L"}ine ${f.line}: “${f.cell}” is not a number: write one such as -0.5`,
  row: f => `${f.name ? `${f.name}, l` : "L"}ine ${f.line} has ${f.count} ${f.count === 1 ? "number" : "numbers"}, but the model reads ${WIDE} a frame`,
  array: f => `${f.name} holds ${f.found}, but the model reads real numbers of shape (T, ${WIDE}): save such an array with numpy`,
  infinite: f => `${f.name ? `${f.name}, f` : "F"}rame ${f.frame} holds NaN, infinity or a number too large: replace it`,
  nothing: f => `${f.name} has no frame: choose another file`,
  damaged: f => `${f.name} is damaged, or of a kind that a page does not read: choose ${KINDS.join(", ")}`,
  short: f => `${f.name} lasts ${f.milliseconds} ms, but one frame needs 25: choose a longer recording`,
});
Object.assign(ASKING.ko.faults, {
  unclear: f => `${f.name ? `${f.name}의 ` : ""}${f.line}번째 줄: 무엇이 수와 수를 나누는지, 쉼표가 소수점인지 알 수 없습니다. 10.1 11.2처럼 쓰세요`,
  cell: f => `${f.name ? `${f.name}의 ` : ""}${f.line}번째 줄: “${f.cell}”은(는) 수가 아닙니다. -0.5 같은 수를 쓰세요`,
  row: f => `${f.name ? `${f.name}의 ` : ""}${f.line}번째 줄에 수가 ${f.count}개 있지만 모델은 한 프레임에 ${WIDE}개를 읽습니다`,
  array: f => `${f.name}에는 ${f.found}이(가) 들어 있지만 모델은 (T, ${WIDE}) 모양의 실수를 읽습니다. 그런 배열을 numpy로 저장하세요`,
  infinite: f => `${f.name ? `${f.name}의 ` : ""}${f.frame}번째 프레임에 NaN이나 무한대, 너무 큰 수가 있습니다. 다른 값으로 바꾸세요`,
  nothing: f => `${f.name}에 프레임이 없습니다. 다른 파일을 고르세요`,
  damaged: f => `${f.name}은(는) 손상되었거나 페이지가 읽지 않는 형식입니다. ${KINDS.join(", ")} 가운데 하나를 고르세요`,
  short: f => `${f.name}은(는) ${f.milliseconds} ms뿐이지만 한 프레임에 25 ms가 필요합니다. 더 긴 녹음을 고르세요`,
});

// asked() gives the frames, null where there are none. name: of the column, null of a single one; n: the how manieth it is.
function frameQuestion(show, name = null, n = 0) {
  const box = textBox(`frames${n}`, name, () => { chosen = null; pick.value = ""; soon(show); });
  const pick = Object.assign(document.createElement("input"), { type: "file", accept: KINDS.join(",") });
  const label = document.createElement("label"), count = made("small", "");
  let chosen = null;  // the file: its name, and its frames or what is wrong with it
  label.append(Object.assign(made("span", ""), { className: "lines" }), " ", pick, " ", count);
  question.append(label);
  pick.onchange = async () => {
    const [file] = pick.files;
    if (!file) return;
    box.value = "";
    chosen = { name: file.name, ...await framesOfFile(file).then(frames => ({ frames }), wrong => ({ wrong: wrong.fault ? wrong : { fault: "damaged" } })) };
    show();
  };
  return () => {
    label.firstChild.textContent = SAY[language].lines;
    count.textContent = "";
    if (chosen?.wrong) throw { ...chosen.wrong, name: chosen.name };
    const frames = chosen ? chosen.frames : box.value.trim() ? checked(framesOfText(box.value)) : null;
    if (frames) count.textContent = SAY[language].frames({ count: frames.length, name: chosen?.name });
    return frames;
  };
}

async function framesOfFile(file) {
  const kind = KINDS.find(end => file.name.toLowerCase().endsWith(end));
  if (!kind) throw { fault: "damaged" };
  if (kind === ".npy" || kind === ".wav") return checked((kind === ".npy" ? framesOfArray : framesOfSound)(await file.arrayBuffer()));
  return checked(framesOfText(await file.text(), true));
}

question.after(Object.assign(made("small", ""), { id: "assumed" }));
QUESTIONS.frames = frameQuestion;
