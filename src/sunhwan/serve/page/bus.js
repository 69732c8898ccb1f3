/** Events between the parts of the page: "model", "text", "language", "theme", "unit" … */

const bus = new EventTarget();

export const on = (name, act) => bus.addEventListener(name, (event) => act(event.detail));

export const tell = (name, detail) => bus.dispatchEvent(new CustomEvent(name, { detail }));

/** Debounced: `act` once the calls have ceased for so many milliseconds. */
export function settled(milliseconds, act) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...given), milliseconds);
  };
}

/** `work` one at a time: what is asked meanwhile is done after it, the latest alone. */
export function oneAtATime(work) {
  let busy = false;
  let waiting = null;
  return async function ask(...given) {
    if (busy) {
      waiting = given;
      return;
    }
    busy = true;
    try {
      await work(...given);
    } finally {
      busy = false;
      const next = waiting;
      waiting = null;
      if (next) ask(...next);
    }
  };
}
