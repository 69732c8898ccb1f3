// Truncated backpropagation through time and Adam. It touches nothing of the page.
//
//   a_t = x_t W_x + b       of the first layer E[token_t] W_x + b, or E[token_t] + b without a W_x
//   u_t = h_{t-1} W_h + b_h
//   state_t = forward(a_t, u_t, state_{t-1})        the step of the cell, see STEPS
//   loss = mean of −log softmax(h_t W_o + b_o)[token_{t+1}]
//
// Backward, δ standing for ∂ loss / ∂, from the last step to the first:
//   δa_t, δu_t, δstate_{t-1} = backward(δstate_t),   δh_{t-1} += δu_t W_hᵀ
// and then for all t at once:
//   δW_h = Σ h_{t-1}ᵀ δu_t,   δW_x = Σ x_tᵀ δa_t,   δx_t = δa_t W_xᵀ
//
// Rows lie in the order of time: row t N + n is stream n at step t.

// A network of layers [cell, H]: [{ step, input }], the sizes V and D (0: no W_x in the first layer), parameters.
function network(plan, V, D) {
  const layers = plan.map(([cell, H], l) => ({
    step: (STEPS[cell] || STEPS[`${cell} ${H}`])(H), input: l ? plan[l - 1][1] : D }));
  const shapes = { E: [V, D || layers[0].step.gates * layers[0].step.hidden] };
  layers.forEach(({ step, input }, l) => {
    const { hidden: H, gates, recurrent } = step;
    if (input) shapes[`${l} W_x`] = [input, gates * H];
    if (recurrent) shapes[`${l} W_h`] = [H, recurrent * H];
    shapes[`${l} b`] = [1, gates * H];
    if (step.biasOfProduct) shapes[`${l} b_h`] = [1, recurrent * H];
    for (const [name, numbers] of Object.entries(step.extra)) shapes[`${l} ${name}`] = [1, numbers.length];
  });
  shapes.W_o = [layers.at(-1).step.hidden, V];
  shapes.b_o = [1, V];
  const size = Object.values(shapes).reduce((sum, [rows, columns]) => sum + rows * columns, 0);
  return { layers, V, D, shapes, size };
}

// Views of one array by the names of the parameters.
function named(shapes, all) {
  let at = 0;
  return Object.fromEntries(Object.entries(shapes).map(([name, [rows, columns]]) =>
    [name, all.subarray(at, at += rows * columns)]));
}

// Everything that training needs, in one memory; N streams, T steps a block.
function trainer(net, N, T) {
  const layout = floats => ({
    weights: floats(net.size), gradient: floats(net.size), mean: floats(net.size), square: floats(net.size),
    transposed: net.layers.map(({ step, input }) => ({
      W_h: floats(step.hidden * step.recurrent * step.hidden), W_x: floats(input * step.gates * step.hidden) })),
    W_o: floats(net.shapes.W_o[0] * net.V),
    block: buffers(net, N, T, floats), single: buffers(net, 1, 1, floats),
  });
  let total = 0;
  layout(n => { total += n; return null; });
  const memory = machine(total), all = layout(memory.floats);
  return { net, N, T, steps: 0, add: memory.accumulate, ...all,
    w: named(net.shapes, all.weights), g: named(net.shapes, all.gradient) };
}

// The rows of T steps of N streams.
function buffers(net, N, T, floats) {
  const M = N * T;
  const layers = net.layers.map(({ step, input }) => {
    const { hidden: H, gates, recurrent } = step, m = {
      x: floats(M * (input || gates * H)), a: floats(M * gates * H), u: floats(M * recurrent * H),
      saved: floats(M * step.saved), da: floats(M * gates * H), dx: floats(M * input), dy: floats(M * H) };
    m.du = step.shared ? m.da : floats(M * recurrent * H);
    for (const field of step.fields) {
      m[`state_${field}`] = floats((T + 1) * N * H);
      m[`next_${field}`] = m[`state_${field}`] && m[`state_${field}`].subarray(N * H);
      for (const kind of ["d", "back"]) m[`${kind}_${field}`] = floats(N * H);
    }
    for (const [name, numbers] of Object.entries(step.extra)) m[`grad_${name}`] = floats(N * numbers.length);
    return m;
  });
  return { N, T, layers, logits: floats(M * net.V) };
}

function repeat(out, row, rows) {
  for (let r = 0; r < rows; r++) out.set(row, r * row.length);
}

function transpose(out, W, rows, columns) {
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = W[r * columns + c];
}

// The state before the first token: zeros, or that of each layer and field.
function reset(part, initial = () => null) {
  part.layers.forEach((m, l) => {
    for (const name of Object.keys(m).filter(name => name.startsWith("state_"))) {
      const field = initial(l, name.slice(6)), rows = m[name];
      if (field) repeat(rows, field, part.N); else rows.fill(0);
    }
  });
}

// Go on with the state in which the block ended.
function carry(part) {
  for (const m of part.layers) for (const name of Object.keys(m).filter(name => name.startsWith("state_"))) {
    const size = m[name].length / (part.T + 1);
    m[name].copyWithin(0, part.T * size);
  }
}

// ids (T N) → part.logits (T N, V).
function forward(train, part, ids) {
  const { net, w, add } = train, { N, T } = part, M = N * T;
  let below = null;
  net.layers.forEach(({ step, input }, l) => {
    const { hidden: H, gates, recurrent } = step, m = part.layers[l], A = gates * H, U = recurrent * H;
    const D = l ? input : net.shapes.E[1];
    if (l) m.x.set(below.subarray(0, M * D));
    else for (let r = 0; r < M; r++) m.x.set(w.E.subarray(ids[r] * D, (ids[r] + 1) * D), r * D);
    repeat(m.a, w[`${l} b`], M);
    if (input) add(m.a, 0, m.x, 0, D, 1, w[`${l} W_x`], 0, M, D, A);
    else for (let n = 0; n < M * A; n++) m.a[n] += m.x[n];
    for (const name of Object.keys(step.extra)) m[`extra_${name}`] = w[`${l} ${name}`];
    const bias = w[`${l} b_h`];
    if (bias) repeat(m.u, bias, M); else m.u.fill(0);
    for (let t = 0; t < T; t++) {
      if (recurrent) add(m.u, t * N * U, m.state_h, t * N * H, H, 1, w[`${l} W_h`], 0, N, H, U);
      step.forward(t * N, (t + 1) * N, m);
    }
    below = m[`next_${step.fields[0]}`];
  });
  repeat(part.logits, w.b_o, M);
  add(part.logits, 0, below, 0, net.shapes.W_o[0], 1, w.W_o, 0, M, net.shapes.W_o[0], net.V);
}

// The loss in nats a token; part.logits become its gradient, softmax(logits) − 1 at the target, over T N.
function loss(part, targets, V) {
  const { logits } = part, M = part.N * part.T;
  let sum = 0;
  for (let r = 0; r < M; r++) {
    const at = r * V;
    let top = -Infinity, total = 0;
    for (let v = 0; v < V; v++) top = Math.max(top, logits[at + v]);
    const right = logits[at + targets[r]];
    for (let v = 0; v < V; v++) total += logits[at + v] = Math.exp(logits[at + v] - top);
    sum += Math.log(total) + top - right;
    for (let v = 0; v < V; v++) logits[at + v] /= total * M;
    logits[at + targets[r]] -= 1 / M;
  }
  return sum / M;
}

// Backward through a layer's recurrence, from dy (T N, H) to da, du; → the norm of δh_t for each t.
function throughTime(train, part, l) {
  const { step } = train.net.layers[l], m = part.layers[l], { N, T } = part;
  const { hidden: H, recurrent, fields } = step, U = recurrent * H, norms = new Float64Array(T);
  for (const field of fields) m[`d_${field}`].fill(0);
  const dh = m[`d_${fields[0]}`];
  for (let t = T - 1; t >= 0; t--) {
    let sum = 0;
    for (let n = 0, at = t * N * H; n < N * H; n++) {
      dh[n] += m.dy[at + n];
      sum += dh[n] * dh[n];
    }
    norms[t] = Math.sqrt(sum);
    for (const name of Object.keys(step.extra)) m[`grad_${name}`].fill(0);
    step.backward(t * N, (t + 1) * N, m);
    for (const name of Object.keys(step.extra)) {
      const g = train.g[`${l} ${name}`];
      for (let n = 0; n < m[`grad_${name}`].length; n++) g[n % g.length] += m[`grad_${name}`][n];
    }
    for (const field of fields) m[`d_${field}`].set(m[`back_${field}`]);
    if (recurrent) train.add(dh, 0, m.du, t * N * U, U, 1, train.transposed[l].W_h, 0, N, U, H);
  }
  return norms;
}

// The gradient of the loss, in train.g, from what `loss` left in part.logits.
function backward(train, part, ids) {
  const { net, w, g, add } = train, M = part.N * part.T, V = net.V;
  train.gradient.fill(0);
  transposeWeights(train);
  const top = part.layers.at(-1), last = net.layers.at(-1).step, H = last.hidden;
  sumRows(g.b_o, part.logits, M);
  add(g.W_o, 0, top[`next_${last.fields[0]}`], 0, 1, H, part.logits, 0, H, M, V);
  top.dy.fill(0);
  add(top.dy, 0, part.logits, 0, V, 1, train.W_o, 0, M, V, H);
  for (let l = net.layers.length - 1; l >= 0; l--) {
    const { step, input } = net.layers[l], m = part.layers[l], { hidden: H } = step;
    const A = step.gates * H, U = step.recurrent * H;
    throughTime(train, part, l);
    if (U) add(g[`${l} W_h`], 0, m.state_h, 0, 1, H, m.du, 0, H, M, U);
    if (step.biasOfProduct) sumRows(g[`${l} b_h`], m.du, M);
    sumRows(g[`${l} b`], m.da, M);
    if (input) {
      add(g[`${l} W_x`], 0, m.x, 0, 1, input, m.da, 0, input, M, A);
      m.dx.fill(0);
      add(m.dx, 0, m.da, 0, A, 1, train.transposed[l].W_x, 0, M, A, input);
    }
    const dx = input ? m.dx : m.da, D = input || A;
    if (l) part.layers[l - 1].dy.set(dx);
    else for (let r = 0; r < M; r++) for (let d = 0; d < D; d++) g.E[ids[r] * D + d] += dx[r * D + d];
  }
}

function transposeWeights({ net, w, transposed, W_o }) {
  net.layers.forEach(({ step, input }, l) => {
    const { hidden: H, gates, recurrent } = step;
    if (recurrent) transpose(transposed[l].W_h, w[`${l} W_h`], H, recurrent * H);
    if (input) transpose(transposed[l].W_x, w[`${l} W_x`], input, gates * H);
  });
  transpose(W_o, w.W_o, ...net.shapes.W_o);
}

function sumRows(out, rows, M) {
  const size = out.length;
  for (let r = 0; r < M; r++) for (let c = 0; c < size; c++) out[c] += rows[r * size + c];
}

// ‖∂ loss_T / ∂ h_{T-k}‖ for k = 0, 1, …: of the last step's loss alone, in the last layer, relative to k = 0.
// Between `backward` and `update`: part.logits hold the gradient still.
function gradientOverLag(train, part) {
  const l = train.net.layers.length - 1, m = part.layers[l], { N, T } = part, H = train.net.layers[l].step.hidden;
  const kept = train.gradient.slice();
  m.dy.fill(0);
  train.add(m.dy, (T - 1) * N * H, part.logits, (T - 1) * N * train.net.V, train.net.V, 1, train.W_o, 0, N, train.net.V, H);
  const norms = throughTime(train, part, l).reverse();
  train.gradient.set(kept);
  return norms.map(norm => norm / (norms[0] || 1));
}

// Adam (Kingma and Ba 2015), the gradient's norm clipped at 1.
function update(train, rate) {
  const { weights: w, gradient: g, mean: m, square: v } = train, t = ++train.steps;
  let sum = 0;
  for (let n = 0; n < g.length; n++) sum += g[n] * g[n];
  const scale = Math.min(1, 1 / Math.sqrt(sum)), first = 1 - 0.9 ** t, second = 1 - 0.999 ** t;
  for (let n = 0; n < g.length; n++) {
    const d = g[n] * scale;
    m[n] = 0.9 * m[n] + 0.1 * d;
    v[n] = 0.999 * v[n] + 0.001 * d * d;
    w[n] -= rate * (m[n] / first) / (Math.sqrt(v[n] / second) + 1e-8);
  }
}

// Fresh weights: Glorot-uniform matrices, orthogonal W_h gate by gate, biases as the cell's literature says.
function fresh(train, random = Math.random) {
  const { net, w } = train;
  train.weights.fill(0);
  const uniform = (out, rows, columns) => {
    const bound = Math.sqrt(6 / (rows + columns));
    for (let n = 0; n < out.length; n++) out[n] = bound * (2 * random() - 1);
  };
  uniform(w.E, 1, 5);
  uniform(w.W_o, ...net.shapes.W_o);
  net.layers.forEach(({ step, input }, l) => {
    const { hidden: H, recurrent } = step;
    if (input) uniform(w[`${l} W_x`], input, H);
    for (let gate = 0; gate < recurrent; gate++) {
      orthogonal(H, random).forEach((row, r) => w[`${l} W_h`].set(row, (r * recurrent + gate) * H));
    }
    let at = 0;
    for (const [value, count] of step.bias) w[`${l} b`].fill(value, at, at += count);
    for (const [name, numbers] of Object.entries(step.extra)) w[`${l} ${name}`].set(numbers);
  });
}

// H rows of length 1 at right angles, by Gram and Schmidt.
function orthogonal(H, random) {
  const rows = [];
  while (rows.length < H) {
    const row = Float64Array.from({ length: H }, () => random() + random() + random() - 1.5);
    for (const other of rows) {
      let dot = 0;
      for (let n = 0; n < H; n++) dot += row[n] * other[n];
      for (let n = 0; n < H; n++) row[n] -= dot * other[n];
    }
    const norm = Math.hypot(...row);
    if (norm > 1e-3) rows.push(row.map(v => v / norm));
  }
  return rows;
}

// The text as a ring: stream n begins at n / N of it, and every block goes on where the one before ended.
function blockOf(train, ids, position) {
  const { N, T } = train, inputs = new Int32Array(N * T), targets = new Int32Array(N * T);
  for (let n = 0; n < N; n++) for (let t = 0; t < T; t++) {
    const at = Math.floor(n * ids.length / N) + position + t;
    inputs[t * N + n] = ids[at % ids.length];
    targets[t * N + n] = ids[(at + 1) % ids.length];
  }
  return { inputs, targets };
}

// One step of training → the loss in bits a token; look: called with the gradient over the lag.
function learn(train, ids, position, rate, look) {
  const { inputs, targets } = blockOf(train, ids, position);
  forward(train, train.block, inputs);
  const nats = loss(train.block, targets, train.net.V);
  backward(train, train.block, inputs);
  if (look) look(gradientOverLag(train, train.block), inputs);
  update(train, rate);
  return nats / Math.LN2;
}

// Tokens drawn one by one after a first one.
function drawn(train, first, length, initial, random = Math.random) {
  const { single, net } = train, found = [first];
  reset(single, initial);
  while (found.length < length) {
    forward(train, single, [found.at(-1)]);
    carry(single);
    const logits = single.logits, top = logits.reduce((a, b) => Math.max(a, b), -Infinity);
    const shares = Float64Array.from(logits, v => Math.exp((v - top) / 0.7));
    let left = random() * shares.reduce((a, b) => a + b, 0), token = 0;
    while (token < net.V - 1 && (left -= shares[token]) >= 0) token++;
    found.push(token);
  }
  return found;
}
