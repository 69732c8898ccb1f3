// Layers: rows of numbers → rows of numbers. They touch nothing of the page.

const row = (table, n, size) => array(table).subarray(n * size, (n + 1) * size);

function linear({ W, b, units }, x) {
  const key = `${W}`, at = linear.rooms[key] ||= { x: floats(x.length), y: floats(units) };
  at.x.set(x);
  product(at.y, 0, at.x, 0, array(W), 0, x.length, units);
  const bias = b && array(b);
  return at.y.map((v, n) => bias ? v + bias[n] : v);
}
linear.rooms = {};

function joined(...parts) {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) { all.set(part, at); at += part.length; }
  return all;
}

function overTime(step, rows) {
  step.reset();
  return rows.map(row => { step.x.set(row); step.step(); return step.out.slice(); });
}

// A stack over rows x_1 … x_T → y_1 … y_T; of two directions the second reads from the end.
function stack(levels, rows) {
  for (const { layers: [onward, back], connection } of levels) {
    let y = overTime(STEPS[onward], rows);
    if (back !== undefined) {
      const turned = overTime(STEPS[back], [...rows].reverse()).reverse();
      y = y.map((h, t) => joined(h, turned[t]));
    }
    if (connection === undefined) rows = y;
    else {
      const around = STEPS[connection];
      rows = rows.map((x, t) => { around.x.set(x); around.out.set(y[t]); around.step(); return around.out.slice(0, around.size); });
    }
  }
  return rows;
}

// What the engine reads of a kind of input, step by step → the outputs of the stack.
const encoded = steps => stack(MODEL.stack, steps.map(embedded));

// One step of a stack that goes on from where its layers stand.
function onward(levels, x) {
  for (const { layers: [layer], connection } of levels) {
    const here = STEPS[layer], around = STEPS[connection], below = x;
    here.x.set(below);
    here.step();
    x = here.out.slice();
    if (around) {
      around.x.set(below);
      around.out.set(x);
      around.step();
      x = around.out.slice(0, around.size);
    }
  }
  return x;
}

function softmax(scores) {
  const top = Math.max(...scores), e = Array.from(scores, v => Math.exp(v - top)), total = e.reduce((a, b) => a + b, 0);
  return e.map(v => v / total);
}

// One vector of the outputs y_1 … y_T.
function pooled({ kind, size, directions, hidden, score }, y) {
  const zero = new Float32Array(size);
  if (!y.length) return new Float32Array(kind === "concat" ? 3 * size : size);
  const of = {
    last: () => directions === 1 ? y.at(-1) : joined(y.at(-1).subarray(0, size / 2), y[0].subarray(size / 2)),
    mean: () => zero.map((_, n) => y.reduce((sum, h) => sum + h[n], 0) / y.length),
    max: () => zero.map((_, n) => y.reduce((most, h) => Math.max(most, h[n]), -Infinity)),
    attention: () => {
      const weights = softmax(y.map(h => linear(score, linear(hidden, h).map(tanh))[0]));
      return zero.map((_, n) => y.reduce((sum, h, t) => sum + weights[t] * h[n], 0));
    },
  };
  return kind === "concat" ? joined(of.last(), of.mean(), of.max()) : of[kind]();
}
