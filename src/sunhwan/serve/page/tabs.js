/** One of several views at a time: arrow keys, Home and End go from tab to tab. */

import { tell } from "./bus.js";
import { find } from "./dom.js";

const tabs = () => [...document.querySelectorAll("[role=tab]:not([hidden])")];

/** Whether a view is the one that is shown. */
export const isShown = (name) => find(`tab-${name}`).getAttribute("aria-selected") === "true";

function open(tab) {
  for (const one of tabs()) {
    const selected = one === tab;
    one.setAttribute("aria-selected", String(selected));
    one.tabIndex = selected ? 0 : -1;
    find(one.getAttribute("aria-controls")).hidden = !selected;
  }
  tell("tab", tab.id.replace("tab-", ""));
}

/** Show the tab of a view, or leave it out; if it was open, the next one opens. */
export function offer(name, there) {
  const tab = find(`tab-${name}`);
  const left = !there && isShown(name);
  tab.hidden = !there;
  if (!left) return;
  tab.setAttribute("aria-selected", "false");
  find(name).hidden = true;
  open(tabs()[0]);
}

function press(event) {
  const all = tabs();
  const at = all.indexOf(event.currentTarget);
  const places = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 };
  const wanted = places[event.key];
  if (wanted === undefined) return;
  event.preventDefault();
  const tab = all[(wanted + all.length) % all.length];
  tab.focus();
  open(tab);
}

export function startTabs() {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    tab.addEventListener("click", () => open(tab));
    tab.addEventListener("keydown", press);
  }
}
