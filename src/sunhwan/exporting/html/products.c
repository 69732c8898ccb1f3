/* The products of the page, four numbers at a time; compiled to WebAssembly by build_products.py. */

typedef float four __attribute__((vector_size(16), aligned(4)));

static float total(four v) { return v[0] + v[1] + (v[2] + v[3]); }

/* out (columns) = x (rows) W, W column by column. */
void product(float *out, const float *x, const float *W, int rows, int columns)
{
    int j = 0;
    for (; j + 4 <= columns; j += 4) {
        const float *p = W + j * rows, *q = p + rows, *r = q + rows, *s = r + rows;
        four a = {0}, b = {0}, c = {0}, d = {0};
        int i = 0;
        for (; i + 4 <= rows; i += 4) {
            four v = *(const four *)(x + i);
            a += v * *(const four *)(p + i);
            b += v * *(const four *)(q + i);
            c += v * *(const four *)(r + i);
            d += v * *(const four *)(s + i);
        }
        float k = total(a), l = total(b), m = total(c), n = total(d);
        for (; i < rows; i++)
            k += x[i] * p[i], l += x[i] * q[i], m += x[i] * r[i], n += x[i] * s[i];
        out[j] = k, out[j + 1] = l, out[j + 2] = m, out[j + 3] = n;
    }
    for (; j < columns; j++) {
        float sum = 0;
        for (int i = 0; i < rows; i++) sum += x[i] * W[j * rows + i];
        out[j] = sum;
    }
}

/* R rows of the product below; R is known when it is compiled. */
static inline __attribute__((always_inline)) void add_rows(
    int R, float *C, const float *A, int ai, int ak, const float *B, int inner, int columns)
{
    int j = 0;
    for (; j + 8 <= columns; j += 8) {
        four left[4], right[4];
        for (int i = 0; i < R; i++) {
            left[i] = *(const four *)(C + i * columns + j);
            right[i] = *(const four *)(C + i * columns + j + 4);
        }
        const float *a = A, *b = B + j;
        for (int k = 0; k < inner; k++, a += ak, b += columns)
            for (int i = 0; i < R; i++) {
                left[i] += a[i * ai] * *(const four *)b;
                right[i] += a[i * ai] * *(const four *)(b + 4);
            }
        for (int i = 0; i < R; i++) {
            *(four *)(C + i * columns + j) = left[i];
            *(four *)(C + i * columns + j + 4) = right[i];
        }
    }
    for (; j < columns; j++)
        for (int i = 0; i < R; i++) {
            float sum = 0;
            for (int k = 0; k < inner; k++) sum += A[i * ai + k * ak] * B[k * columns + j];
            C[i * columns + j] += sum;
        }
}

/* C (rows, columns) += A B, B (inner, columns); A's element (i, k) lies at i · ai + k · ak. */
void accumulate(
    float *C, const float *A, int ai, int ak, const float *B, int rows, int inner, int columns)
{
    int i = 0;
    for (; i + 4 <= rows; i += 4)
        add_rows(4, C + i * columns, A + i * ai, ai, ak, B, inner, columns);
    for (; i < rows; i++) add_rows(1, C + i * columns, A + i * ai, ai, ak, B, inner, columns);
}
