// Forecasters: numbers of the past → quantiles of the future, prepared as sunhwan.data.windows does.
const { season: SEASON, horizon: HORIZON, context: CONTEXT, calendar: CALENDAR } = MODEL;

const isKnown = v => !Number.isNaN(v);
const sumOf = values => values.reduce((a, b) => a + b, 0);
const meanOf = values => sumOf(values) / values.length;
const modulo = (a, b) => (a % b + b) % b;
const upTo = (count, f) => Array.from({ length: count }, (_, n) => f(n));

// |x_t − x_{t−m}| where both are known.
const changes = (values, m) => values.slice(m).map((v, n) => Math.abs(v - values[n])).filter(isKnown);

// The values on the lines between known ones, level at both ends.
function between(values, places) {
  let next = 0;
  return values.map((v, t) => {
    while (next < places.length && places[next] < t) next++;
    const a = places[next - 1] ?? places[next], b = places[next] ?? a;
    return a === b ? values[a] : values[a] + (values[b] - values[a]) * (t - a) / (b - a);
  });
}

// What is missing, on the line between its neighbours, with the season's mean deviation.
function filled(values, m) {
  const missing = values.map(v => !isKnown(v)), places = upTo(values.length, t => t).filter(t => !missing[t]);
  if (!places.length) return values.map(() => 0);
  if (places.length === values.length) return values;
  const line = between(values, places), last = values.length - 1, half = Math.floor(m / 2);
  const level = upTo(values.length, t => sumOf(upTo(m, j => line[Math.min(Math.max(t + j - half, 0), last)])) / m);
  const counts = Array(m).fill(0), sums = Array(m).fill(0);
  for (const t of places) { counts[t % m]++; sums[t % m] += values[t] - level[t]; }
  const profile = sums.map((v, n) => v / Math.max(counts[n], 1)), middle = meanOf(profile.filter((_, n) => counts[n]));
  const seasonOf = t => counts[t % m] ? profile[t % m] - middle : 0;
  const flat = between(values.map((v, t) => v - seasonOf(t)), places);
  return values.map((v, t) => missing[t] ? flat[t] + seasonOf(t) : v);
}

// Whole seasons → how far each place in a season lies from its mean, without the slope.
function profileOf(values, m) {
  const k = values.length / m, means = upTo(k, n => meanOf(values.slice(n * m, (n + 1) * m)));
  const slope = (means.at(-1) - means[0]) / Math.max((k - 1) * m, 1), middle = meanOf(means);
  return upTo(m, j => sumOf(upTo(k, n => values[n * m + j])) / k - middle - slope * (j - (m - 1) / 2));
}

// The mean change over a season, of all of a series; of neighbours where there is none.
function usualScale(values) {
  const far = changes(values, SEASON), near = far.length ? far : changes(values, 1);
  return near.length ? meanOf(near) : 0;
}

// The last season + c values → what is read (c, 2), the repeated season (H), the scale.
function stretch(history, usual) {
  const m = SEASON, L = history.length, steps = changes(history, m);
  let scale = steps.length ? meanOf(steps) : 0;
  if (usual !== null) scale = (steps.length * scale + MODEL.drawn * usual) / (steps.length + MODEL.drawn);
  const whole = filled(history, m), profile = profileOf(whole.slice(L % m), m), seasonOf = t => profile[modulo(t - L, m)];
  const z = whole.map((v, t) => v - seasonOf(t)), end = z.at(-1), unit = scale || 1;
  const read = upTo(L - m, t => [(z[t + m] - end) / unit, (z[t + m] - z[t + m - 1]) / unit]);
  return { read, scale, repeated: upTo(HORIZON, h => end + seasonOf(L + h)) };
}

// What stood a longer season before each step that is read, the mean of up to three; NaN: not known.
function pastSeasons(values, c, longer) {
  const back = Math.ceil(HORIZON / longer) * longer, found = [];
  for (let times = 0; times < 3; times++) {
    const shift = back + times * longer, start = values.length - c - shift - SEASON, until = SEASON + c;
    if (start < 0) break;
    const part = filled(values.slice(start, values.length - shift + HORIZON), SEASON);
    const profile = profileOf(part.slice(until % SEASON, until), SEASON);
    const z = part.map((v, t) => v - profile[modulo(t - until, SEASON)]);
    found.push(z.slice(SEASON).map(v => v - z[until - 1]));
  }
  return upTo(c + HORIZON, t => found.length ? meanOf(found.map(one => one[t])) : NaN);
}

// The rows that the network reads (c + H, F); first: the place of the first value in the calendar.
function rowsOf(values, first, { read, scale }) {
  const c = read.length, start = values.length - c, unit = scale || 1;
  const before = MODEL.longer.map(longer => pastSeasons(values, c, longer).map(v => v / unit));
  const angles = MODEL.cycles.length ? upTo(c + HORIZON, t => phases(pointOf(first + start + t))) : null;
  return upTo(c + HORIZON, t => {
    const past = t < c, ahead = past ? [0, 0] : [1, (t - c + 1) / HORIZON];
    const row = [...(past ? read[t] : [0, 0]), ...ahead, ...(angles ? angles[t] : []), ...Array(MODEL.words).fill(0)];
    if (MODEL.gaps) row.push(past && !isKnown(values[start + t]) ? 1 : 0);
    for (const one of before) row.push(isKnown(one[t]) ? one[t] : 0, isKnown(one[t]) ? 1 : 0);
    return row;
  });
}

// Values, the oldest first, NaN where one is missing → quantiles (H, Q) as the network says them, scaled, and
// in the unit of the series.
function forecast(values, first = null) {
  const c = Math.min(CONTEXT, values.length - SEASON), history = values.slice(values.length - c - SEASON);
  const found = stretch(history, MODEL.drawn ? usualScale(values) : null), { repeated, scale } = found;
  const y = stack(MODEL.stack, rowsOf(values, first, found).map(row => linear(MODEL.inputs, row)));
  const scaled = y.slice(-HORIZON).map(h => Array.from(linear(MODEL.output, h).sort()));
  const middle = (MODEL.quantiles.length - 1) / 2, least = values.reduce((a, b) => b < a ? b : a, Infinity), count = MODEL.drawn && least === 0;
  const quantiles = scaled.map((row, h) => {
    const spread = MODEL.spread ? row.map((q, n) => row[middle] + MODEL.spread[n] * (q - row[middle])).sort((a, b) => a - b) : row;
    return spread.map(q => repeated[h] + scale * q).map(q => count ? Math.max(q, 0) : q);
  });
  return { scaled, quantiles, scale };
}

// The calendar: places of points in time, which are microseconds since 1970.

const SECOND = 1e6, DAY = 86400 * SECOND, WEEK = 7 * DAY, MONDAY = -3 * DAY;
const monthOf = point => { const day = new Date(point / 1e3); return 12 * (day.getUTCFullYear() - 1970) + day.getUTCMonth(); };
const beginOf = month => Date.UTC(1970 + Math.floor(month / 12), modulo(month, 12)) * 1e3;
const PHASE = CALENDAR && MONDAY + modulo(CALENDAR.start - MONDAY, CALENDAR.step);

// The place of a point, null where the calendar has none.
function placeOf(point) {
  const { unit, step, start, slots } = CALENDAR, whole = v => Number.isInteger(v) ? v : null;
  if (unit === "months") return whole((monthOf(point) - start) / step);
  if (!slots.length) return whole((point - start) / step);
  const steps = whole((point - PHASE) / step), week = WEEK / step, slot = slots.indexOf(modulo(steps, week));
  return steps === null || slot < 0 ? null : Math.floor(steps / week) * slots.length + slot;
}

function pointOf(place) {
  const { unit, step, start, slots, day, within } = CALENDAR;
  if (unit === "months") {
    const month = start + place * step, first = beginOf(month);
    return Math.min(first + (Math.min(day, 31) - 1) * DAY, beginOf(month + 1) - DAY) + within;
  }
  if (!slots.length) return start + place * step;
  return PHASE + (Math.floor(place / slots.length) * (WEEK / step) + slots[modulo(place, slots.length)]) * step;
}

// Sine and cosine of where a point lies in each cycle.
function phases(point) {
  const day = Math.floor(point / DAY), part = point / DAY - day, year = Date.UTC(new Date(point / 1e3).getUTCFullYear(), 0) * 1e3 / DAY;
  const done = { day: part, week: modulo(day + 3, 7) + part, year: day - year + part };
  const angles = MODEL.cycles.map(name => 2 * Math.PI * done[name] / { day: 1, week: 7, year: 365.25 }[name]);
  return [...angles.map(Math.sin), ...angles.map(Math.cos)];
}

// What is pasted

const DATE = /^(\d{4})(?:-?Q([1-4])|-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2}))?)?)?)(?=[\s,;]|$)/i;

function pointOfDate([, year, quarter, month, day = 1, hour = 0, minute = 0, second = 0]) {
  const m = quarter ? 3 * quarter - 3 : month - 1, at = new Date(Date.UTC(year, m, day, hour, minute, second));
  return at.getUTCMonth() === m && at.getUTCDate() === +day && hour < 24 && minute < 60 && second < 60 ? at.getTime() * 1e3 : NaN;
}

function known(cell, line) {
  const number = numberOf(cell);
  if (!isKnown(number)) throw { fault: "number", line, cell };
  return number;
}

// A text → its series, each with its values, and the place of the first. A line is a step, with its date perhaps;
// of one series all numbers may stand in one line. What cannot be read is thrown as { fault, line, … }.
function readSeries(text) {
  const lines = text.split("\n").map((line, n) => [line.trim(), n + 1]).filter(([line]) => line);
  const rows = lines.map(([line, number]) => {
    const date = line.match(DATE), rest = date ? line.slice(date[0].length).replace(/^\s*[,;]/, "") : line;
    const cells = cellsOf(rest, lines.length === 1 && MODEL.columns.length === 1 && !date);
    if (!cells) throw { fault: "unclear", line: number };
    return { number, date, cells: cells.map(cell => known(cell, number)) };
  });
  if (!rows.length) return { series: [], first: null };
  const wide = MODEL.columns.length || rows[0].cells.length, alone = rows.length === 1 && wide === 1 && !rows[0].date;
  const table = alone ? rows[0].cells.map(cell => [cell]) : rows.map(({ cells, number }) => {
    if (cells.length !== wide || !wide) throw { fault: "columns", line: number, count: cells.length, wide };
    return cells;
  });
  const places = placesOf(rows), values = upTo(wide, () => Array(places ? places.at(-1) - places[0] + 1 : table.length).fill(NaN));
  table.forEach((cells, t) => cells.forEach((v, n) => { values[n][places ? places[t] - places[0] : t] = v; }));
  const shortest = values[0].length;
  if (shortest < SEASON + 1) throw { fault: "short", count: shortest, least: SEASON + 1 };
  return { series: values, first: places && places[0] };
}

function placesOf(rows) {
  const some = rows.find(({ date }) => date);
  if (!some && !MODEL.cycles.length) {
    const gap = rows.find(({ number }, n) => n && number > rows[n - 1].number + 1);
    if (gap) throw { fault: "gap", line: gap.number - 1 };
    return null;
  }
  if (some && !CALENDAR) throw { fault: "dated", line: some.number };
  const places = rows.map(({ date, number }) => {
    if (!date) throw { fault: MODEL.cycles.length ? "undated" : "partly", line: number, other: some?.number };
    const point = pointOfDate(date), place = isKnown(point) ? placeOf(point) : null;
    if (place === null) throw { fault: "calendar", line: number, cell: date[0] };
    return place;
  });
  places.forEach((place, n) => { if (n && place <= places[n - 1]) throw { fault: "order", line: rows[n].number }; });
  if (places.at(-1) - places[0] >= MODEL.empty * places.length) throw { fault: "apart" };
  return places;
}

// The time of a place, as it is written.
function timeOf(place) {
  const text = new Date(pointOf(place) / 1e3).toISOString();
  if (CALENDAR.unit === "months") return text.slice(0, 7);
  return CALENDAR.step % DAY ? text.slice(0, 16).replace("T", " ") : text.slice(0, 10);
}
