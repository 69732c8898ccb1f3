/** Next tokens: asked for at each keystroke, offered as bars and as grey text. */

import * as api from "./api.js";
import { on, settled } from "./bus.js";
import { bar, element, find } from "./dom.js";
import { chosen, isWriter } from "./models.js";
import { calm, complain } from "./problem.js";
import * as text from "./text.js";
import { number, percent, say } from "./messages.js";
import { isWriting, options } from "./write.js";

const COUNT = 8;
const FLYING = 3; // questions on their way at once; of more the latest waits

const list = find("candidates");
let session = null;
let asked = 0;
let answered = 0;
let flying = 0;
let waiting = false;
let hidden = false;
let offered = { candidates: [], completion: "", entropy: null };

const before = () => text.typed().slice(0, text.caret());

async function ask() {
  const model = chosen();
  if (!model?.ready || !isWriter() || isWriting()) return;
  if (flying >= FLYING) {
    waiting = true;
    return;
  }
  asked += 1;
  flying += 1;
  const turn = asked;
  const read = before();
  const { temperature, top_k, top_p } = options();
  const question = { model: model.id, text: read, session, temperature, top_k, top_p };
  try {
    const answer = await api.next({ ...question, count: COUNT, length: 24, seed: 1 });
    // An answer that was overtaken says nothing any more.
    if (turn < answered || model.id !== chosen()?.id) return;
    answered = turn;
    session = answer.session;
    offered = answer;
    calm("next");
    show();
    text.setGhost(!hidden && read === text.typed() && !text.isComposing() ? answer.completion : "");
    announce();
  } catch (error) {
    session = null;
    if (turn === asked) complain("next", error);
  } finally {
    flying -= 1;
    if (waiting) {
      waiting = false;
      ask();
    }
  }
}

/** Offers anew, also those that Esc hid. */
function renew() {
  hidden = false;
  ask();
}

function show() {
  list.hidden = hidden;
  const most = Math.max(...offered.candidates.map(({ probability }) => probability), 1e-9);
  list.replaceChildren(
    ...offered.candidates.map((candidate, k) => {
      const { probability } = candidate;
      const label = nameOf(candidate);
      const words = { label, p: percent(probability), n: k + 1 };
      const button = element(
        "button",
        {
          type: "button",
          class: "candidate",
          "aria-label": say("insertCandidate", words),
          disabled: !isText(candidate),
        },
        element("kbd", { "aria-hidden": "true" }, String(k + 1)),
        element("bdi", { class: "token" }, label),
        bar(probability / most),
        element("span", { class: "figure" }, percent(probability)),
      );
      button.addEventListener("click", () => take(k));
      return element("li", {}, button);
    }),
  );
  const { entropy } = offered;
  find("entropy").textContent = Number.isFinite(entropy)
    ? say("entropy", { n: number(entropy, 2) })
    : "";
}

/** For ears: the first three, once the typing rests. */
const announce = settled(1200, () => {
  const first = offered.candidates.slice(0, 3);
  const said = first.map((one) => `${nameOf(one)} ${percent(one.probability)}`).join(", ");
  find("nextLive").textContent = said && !hidden ? say("nextLive", { said }) : "";
});

/** What a candidate is called: by the syllable that it makes of the one before the caret. */
const nameOf = ({ whole, label }) => whole ?? label;

/** Whether a token is text by itself: an end of the text is not, nor a byte of a character. */
const isText = (candidate) => Boolean(candidate?.text) && !candidate.text.includes("\ufffd");

// Its letters may have been typed apart.
const LAST = /[\u1100-\u1112][\u1161-\u1175]$|.$/su;

/** Insert a candidate at the caret; a letter may complete the syllable before it. */
function take(k) {
  const candidate = offered.candidates[k];
  if (!isText(candidate) || hidden || isWriting() || text.isComposing()) return;
  const read = before();
  const last = LAST.exec(read)?.[0] ?? "";
  // Words come without the space that is between them.
  const apart = chosen().vocabulary?.kind === "words" && /\S/.test(last);
  const added = (apart ? " " : "") + candidate.text;
  text.insert(candidate.whole ?? (last + added).normalize("NFC"), read.length - last.length);
}

function press(event) {
  // The keys of a composition (a syllable being typed) are the input method's.
  if (event.isComposing || event.keyCode === 229 || !isWriter()) return;
  const digit = /^Digit([1-8])$/.exec(event.code);
  const plainTab = event.key === "Tab" && !event.shiftKey && !event.ctrlKey && !event.altKey;
  if (plainTab && text.ghostText() && text.atEnd()) {
    event.preventDefault();
    text.insert(text.ghostText());
  } else if (event.key === "Escape") {
    hidden = true;
    text.setGhost("");
    show();
  } else if (event.altKey && digit && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    take(Number(digit[1]) - 1);
  }
}

/** A finger on the grey text takes it, as Tab does. */
function tap({ pointerType, clientX: x, clientY: y }) {
  if (pointerType === "mouse" || !text.ghostText() || !text.atEnd()) return;
  const near = 8; // pixels between two lines
  const within = ({ left, right, top, bottom }) =>
    x >= left - near && x <= right + near && y >= top - near && y <= bottom + near;
  if (text.ghostBoxes().some(within)) text.insert(text.ghostText());
}

export function startNext() {
  find("text").addEventListener("pointerup", tap);
  const caretMoved = settled(150, ask);
  find("text").addEventListener("keydown", press);
  on("text", renew);
  on("composed", ask);
  on("caret", () => {
    if (!text.isComposing() && !text.ghostText()) caretMoved();
  });
  on("options", ask);
  on("written", renew);
  on("language", show);
  on("model", () => {
    session = null;
    offered = { candidates: [], completion: "", entropy: null };
    text.setGhost("");
    show();
    find("next").hidden = !isWriter();
    renew();
  });
}
