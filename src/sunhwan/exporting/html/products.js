// Numbers side by side in one memory, and products of matrices on them.
function machine(count) {
  const memory = new ArrayBuffer(4 * count);
  let at = 0;
  return { floats: n => new Float32Array(memory, 4 * (at += n) - 4 * n, n), accumulate };
}

// C (rows, columns) += A B, B (inner, columns); A's element (i, k) lies at a + i · ai + k · ak, so that Aᵀ is
// A with its two strides the other way round.
function accumulate(C, c, A, a, ai, ak, B, b, rows, inner, columns) {
  for (let i = 0; i < rows; i++, c += columns, a += ai) {
    let k = 0;
    for (; k + 4 <= inner; k += 4) {
      const at = a + k * ak, p = A[at], q = A[at + ak], r = A[at + 2 * ak], s = A[at + 3 * ak];
      const x = b + k * columns, y = x + columns, z = y + columns, w = z + columns;
      for (let j = 0; j < columns; j++) C[c + j] += p * B[x + j] + q * B[y + j] + (r * B[z + j] + s * B[w + j]);
    }
    for (; k < inner; k++) {
      const p = A[a + k * ak], x = b + k * columns;
      for (let j = 0; j < columns; j++) C[c + j] += p * B[x + j];
    }
  }
}
