/** Steps of a model → the stretches of text that they are, to be coloured. */

/** pieces (T) → stretches {text, steps}: a character begun at a step and ended by later ones is one. */
export function groupsOf(pieces) {
  const groups = [];
  pieces.forEach((text, step) => {
    if (text !== "") groups.push({ text, steps: [step] });
    else if (groups.length) groups.at(-1).steps.push(step);
  });
  return groups;
}

const UNKNOWN = /^(\ufffd|<unk>)$/;

/** Where each stretch lies in what was typed from a place on, [start, end) in UTF-16; null if it is
 * another text.
 *
 * The model may read fewer kinds of spaces and know fewer letters than were typed: an unknown letter
 * stands for one, an unknown word for one up to the next space.
 */
export function placesIn(typed, groups, from = 0) {
  const places = [];
  let at = from;
  let strange = 0;
  for (const { text } of groups) {
    const exact = typed.startsWith(text, at);
    const start = exact ? at : at + /^\s*/.exec(typed.slice(at))[0].length;
    const wanted = exact ? text : text.trim();
    let end = start + wanted.length;
    if (!typed.startsWith(wanted, start)) {
      if (!UNKNOWN.test(wanted)) strange += 1;
      const letters = Array.from(wanted).length;
      const unknown = typed.slice(start);
      end = start + (letters > 1 ? /^\S*/.exec(unknown)[0] : (Array.from(unknown)[0] ?? "")).length;
    }
    places.push([at, end]);
    at = end;
  }
  return at === from || strange > groups.length / 2 ? null : places;
}

/** −log p of a whole stretch: the sum over its steps; null where none of them was predicted. */
export function surpriseOf(group, surprise) {
  const known = group.steps.map((step) => surprise[step]).filter((value) => value !== null);
  return known.length ? known.reduce((sum, value) => sum + value, 0) : null;
}

/** A value at the step that ends a stretch, when all of it was read. */
export const valueOf = (group, values) => values[group.steps.at(-1)] ?? null;

/** What is shared by two texts before and behind what differs, in UTF-16. */
export function common(one, other) {
  const limit = Math.min(one.length, other.length);
  let before = 0;
  while (before < limit && one[before] === other[before]) before += 1;
  let behind = 0;
  while (behind < limit - before && one.at(-1 - behind) === other.at(-1 - behind)) behind += 1;
  return { before, behind };
}
