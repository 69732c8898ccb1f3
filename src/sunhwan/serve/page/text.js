/** The text that is typed: a textarea, and behind it the same text in colours. */

import { tell } from "./bus.js";
import { css } from "./colours.js";
import { element, find } from "./dom.js";
import { common } from "./groups.js";

const area = find("text");
const behind = find("behind");
const tip = find("tip");
const ghost = element("span", { class: "ghost" });
// A last line break makes no line of its own; this makes it one.
const end = element("span", {}, "\u200b");
behind.append(ghost, end);

let coloured = { text: "", parts: [] };
let shown = [];
let composing = false;

/** Give stretches colours: parts {start, end, fill, note, value} of `text`, in order. */
export function setColours(text, parts) {
  coloured = { text, parts };
  paint();
}

/** Show what Tab would insert, behind the text. */
export function setGhost(text) {
  ghost.textContent = text;
}

export const ghostText = () => ghost.textContent;
export const ghostBoxes = () => [...ghost.getClientRects()];
export const typed = () => area.value;
export const caret = () => area.selectionStart;
export const isComposing = () => composing;
export const atEnd = () => area.selectionEnd === area.value.length;

/** Type for the user: replace from `start` to the end of the selection, undoable where that can be. */
export function insert(text, start = area.selectionStart) {
  area.focus();
  area.setSelectionRange(start, area.selectionEnd);
  // Deprecated without a successor: nothing else is kept for Ctrl+Z.
  if (!document.execCommand("insertText", false, text)) {
    area.setRangeText(text, start, area.selectionEnd, "end");
    changed();
  }
}

/** Scroll to the text where it is out of sight. */
export function reveal() {
  const { top, bottom } = area.getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) area.scrollIntoView({ block: "center" });
}

/** Put text behind all that is there. */
export function append(text) {
  area.setRangeText(text, area.value.length, area.value.length, "end");
  changed();
}

export function setText(text) {
  area.value = text;
  changed();
}

/** Keep the user from typing while something else writes. */
export function lock(locked) {
  area.readOnly = locked;
}

/** The stretch with the character before the caret: {part, text} or null. */
export function atCaret() {
  const part = current().findLast(({ start }) => start < Math.max(caret(), 1));
  return part?.note ? part : null;
}

/** The colours of `coloured.text` carried over to what is typed now: what is new has none. */
function current() {
  const now = area.value;
  const same = common(coloured.text, now);
  const shift = now.length - coloured.text.length;
  const parts = [];
  let at = 0;
  const put = (upto) => {
    if (upto > at) parts.push({ start: at, end: upto, fill: null, note: null, value: null });
    at = upto;
  };
  for (const part of coloured.parts) {
    const moved = part.end > same.before;
    if (moved && part.start < coloured.text.length - same.behind) continue;
    const start = part.start + (moved ? shift : 0);
    put(start);
    parts.push(moved ? { ...part, start, end: part.end + shift } : part);
    at = parts.at(-1).end;
  }
  put(now.length);
  return parts;
}

function paint() {
  const now = area.value;
  const parts = current();
  parts.forEach((part, k) => {
    // Before what has changed the parts are the same ones.
    if (shown[k]?.part === part) return;
    const text = now.slice(part.start, part.end);
    const fill = part.fill ? css(part.fill) : "";
    let span = shown[k]?.span;
    if (!span) {
      span = element("span", { class: "piece" });
      behind.insertBefore(span, ghost);
    }
    if (shown[k]?.text !== text) span.textContent = text;
    if (shown[k]?.fill !== fill) span.style.backgroundColor = fill;
    if (part.value === null) delete span.dataset.value;
    else span.dataset.value = part.value;
    shown[k] = { span, part, text, fill };
  });
  for (const { span } of shown.splice(parts.length)) span.remove();
}

function changed() {
  setGhost("");
  paint();
  tell("text");
}

/** What is known of the character under the pointer. */
function showTip(event) {
  const under = document.elementsFromPoint(event.clientX, event.clientY);
  const found = under.find((one) => one.parentNode === behind);
  const note = shown.find(({ span }) => span === found)?.part.note;
  tip.hidden = !note;
  if (!note) return;
  tip.textContent = note;
  const width = tip.offsetWidth;
  tip.style.left = `${Math.max(8, Math.min(event.clientX + 12, innerWidth - width - 8))}px`;
  tip.style.top = `${event.clientY + 20}px`;
}

export function startText() {
  area.addEventListener("input", changed);
  area.addEventListener("compositionstart", () => {
    composing = true;
    setGhost("");
  });
  area.addEventListener("compositionend", () => {
    composing = false;
    tell("composed");
  });
  area.addEventListener("pointermove", showTip);
  area.addEventListener("pointerleave", () => {
    tip.hidden = true;
  });
  area.addEventListener("click", () => tell("pointed"));
  document.addEventListener("selectionchange", () => {
    if (document.activeElement === area) tell("caret");
  });
}
