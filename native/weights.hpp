// A matrix in panels, each a few vectors of columns wide, in one of three precisions, and the product
// of rows with a panel: for few rows its time is that of reading the panel.
//
// A number is the sum over k in its order, whatever the rows beside it and the threads. Panels, K x
// columns:
//     float32, float16   row k after row k
//     int8               per column its scale and scale * sum over k; then four k of each column,
//                        the next four, ...
// A row x is quantised when it is used: x_k = low + step * q_k, 0 <= q_k <= 255.
#pragma once

#include <cmath>
#include <type_traits>

#include "processor.hpp"
#include "generation.hpp"
#include "product.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

constexpr int kWidth = kLanes<float>;

// Rows to multiply, `row` apart; quantised, a row of q is K rounded up to four.
struct Rows {
    int64_t K;
    const float* data;
    int64_t row;
    const uint8_t* q;
    const float *low, *step;
};

// Whether the processor has the instructions for a precision.
inline bool fast(int64_t precision) {
#if defined(__AVX512F__)
    return precision != kInt8 || Processor().vnni;
#elif defined(__AVX2__)
    return precision != kInt8;
#else
    return precision == kFloat32;
#endif
}

// float16 by the rules of IEEE 754, to the nearest, ties to even; |x| <= 65504.
inline uint16_t to_half(float x) {
    uint32_t bits, small;
    std::memcpy(&bits, &x, 4);
    const uint32_t sign = (bits >> 16) & 0x8000, size = bits & 0x7fffffff;
    float sum;  // below 2^-14 a multiple of 2^-24, the last place of 1/2
    std::memcpy(&sum, &size, 4);
    sum += 0.5f;
    std::memcpy(&small, &sum, 4);
    const uint32_t normal = (size + 0xfff + ((size >> 13) & 1) - 0x38000000) >> 13;
    return uint16_t(sign | (size < 0x38800000 ? small - 0x3f000000 : normal));
}

struct Float32 {
    using type = float;
    static type from(float x) { return x; }
    static SUNHWAN_INLINE Vec<float> vector(const type* p) { return load(p); }
};

struct Float16 {
    using type = uint16_t;
    static type from(float x) { return to_half(x); }
#if defined(__AVX512F__)
    static SUNHWAN_INLINE Vec<float> vector(const type* p) {
        const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
        return (Vec<float>)_mm512_maskz_cvtph_ps(0xffff, half);
    }
#elif defined(__AVX2__) && defined(__F16C__)
    static SUNHWAN_INLINE Vec<float> vector(const type* p) {
        return (Vec<float>)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    }
#else
    static SUNHWAN_INLINE Vec<float> vector(const type* p) {
        typedef uint16_t Halves __attribute__((vector_size(2 * kWidth)));
        typedef uint32_t Bits __attribute__((vector_size(4 * kWidth)));
        Halves h;
        std::memcpy(&h, p, sizeof h);
        const Bits b = __builtin_convertvector(h, Bits);
        const Bits size = (Bits)((Vec<float>)((b & 0x7fff) << 13) * 0x1p112f);
        return (Vec<float>)(size | ((b & 0x8000) << 16));
    }
#endif
};

// sums (R, V) of vectors = R rows times a panel of V vectors.
template <class W, int V, int R>
void float_tile(const typename W::type* w, const float* x, int64_t row, int64_t K, float* sums) {
    constexpr int L = kWidth;
    Vec<float> sum[R][V] = {};
#pragma GCC unroll 4
    for (int64_t k = 0; k < K; ++k) {
        Vec<float> column[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) column[v] = W::vector(w + (k * V + v) * L);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            const Vec<float> a = broadcast<float>(x[r * row + k]);
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) sum[r][v] += a * column[v];
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) store(sums + (r * V + v) * L, sum[r][v]);
}

#if defined(__AVX512F__)
// Where a conversion to 512 bits takes longer than two to 256, as on AMD's processors; the same bits.
inline bool is_narrow() {
    static const bool found = !Processor().intel;  // here: at load time this code may not run yet
    return found;
}

template <int V>
void narrow_tile(const uint16_t* w, const float* x, int64_t K, float* sums) {
    __m256 sum[2 * V];
#pragma GCC unroll 8
    for (int v = 0; v < 2 * V; ++v) sum[v] = _mm256_setzero_ps();
#pragma GCC unroll 4
    for (int64_t k = 0; k < K; ++k) {
        const __m256 a = _mm256_broadcast_ss(x + k);
#pragma GCC unroll 8
        for (int v = 0; v < 2 * V; ++v) {
            const auto* p = reinterpret_cast<const __m128i*>(w + (2 * V * k + v) * 8);
            sum[v] += a * _mm256_cvtph_ps(_mm_loadu_si128(p));  // as in float_tile
        }
    }
#pragma GCC unroll 8
    for (int v = 0; v < 2 * V; ++v) _mm256_storeu_ps(sums + 8 * v, sum[v]);
}
#endif

// The same in whole numbers, k in fours.
template <int V, int R>
void plain_tile(const int8_t* w, const uint8_t* q, int64_t row, int64_t fours, int32_t* sums) {
    constexpr int L = kWidth;
#if defined(__AVX2__) && !defined(__AVX512F__)
    // Pairs of products are added up in 32 bits; neighbours, the two pairs of a column, at the end.
    __m256i sum[R][V][2];
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) sum[r][v][0] = sum[r][v][1] = _mm256_setzero_si256();
    for (int64_t k = 0; k < fours; ++k)
        for (int v = 0; v < V; ++v) {
            const auto* p = reinterpret_cast<const __m128i*>(w + (k * V + v) * 4 * L);
            const __m256i low = _mm256_cvtepi8_epi16(_mm_loadu_si128(p));
            const __m256i high = _mm256_cvtepi8_epi16(_mm_loadu_si128(p + 1));
            for (int r = 0; r < R; ++r) {
                int32_t four;
                std::memcpy(&four, q + r * row + 4 * k, 4);
                const __m256i a = _mm256_cvtepu8_epi16(_mm_set1_epi32(four));
                sum[r][v][0] = _mm256_add_epi32(sum[r][v][0], _mm256_madd_epi16(a, low));
                sum[r][v][1] = _mm256_add_epi32(sum[r][v][1], _mm256_madd_epi16(a, high));
            }
        }
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) {
            const __m256i both = _mm256_hadd_epi32(sum[r][v][0], sum[r][v][1]);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + (r * V + v) * L),
                                _mm256_permute4x64_epi64(both, 0xd8));
        }
#else
    std::fill(sums, sums + R * V * L, 0);
    for (int64_t k = 0; k < fours; ++k)
        for (int r = 0; r < R; ++r) {
            const uint8_t* a = q + r * row + 4 * k;
            for (int c = 0; c < V * L; ++c) {
                const int8_t* p = w + (k * V * L + c) * 4;
                sums[r * V * L + c] += a[0] * p[0] + a[1] * p[1] + a[2] * p[2] + a[3] * p[3];
            }
        }
#endif
}

#if defined(__AVX512F__)
inline bool has_vnni() {
    static const bool found = Processor().vnni;
    return found;
}

template <int V, int R>
__attribute__((target("avx512vnni"))) void vnni_tile(const int8_t* w, const uint8_t* q, int64_t row,
                                                     int64_t fours, int32_t* sums) {
    __m512i sum[R][V];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sum[r][v] = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int64_t k = 0; k < fours; ++k) {
        __m512i column[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) column[v] = _mm512_loadu_si512(w + (k * V + v) * 64);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            int32_t four;
            std::memcpy(&four, q + r * row + 4 * k, 4);
            const __m512i a = _mm512_set1_epi32(four);
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) sum[r][v] = _mm512_dpbusd_epi32(sum[r][v], a, column[v]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) _mm512_storeu_si512(sums + (r * V + v) * 16, sum[r][v]);
}
#endif

template <int V>
constexpr int kTileRows = std::min(8, std::max(1, (kAccumulators - 4) / V));

// tile(rows) for at most R of them at once, as even as can be.
template <int R, class Tile>
void in_tiles(int64_t N, const Tile& tile) {
    const int64_t tiles = (N + R - 1) / R;
    for (int64_t j = 0; j < tiles; ++j) tile(N * j / tiles, N * (j + 1) / tiles);
}

template <class W, int V, int R = kTileRows<V>>
void float_tile_of(int64_t rows, const typename W::type* w, const float* x, int64_t row, int64_t K,
                   float* sums) {
    if constexpr (R > 1) {
        if (rows < R) return float_tile_of<W, V, R - 1>(rows, w, x, row, K, sums);
    }
#if defined(__AVX512F__)
    if constexpr (R == 1 && std::is_same_v<W, Float16>) {
        if (is_narrow()) return narrow_tile<V>(w, x, K, sums);
    }
#endif
    float_tile<W, V, R>(w, x, row, K, sums);
}

template <int V, int R = kTileRows<V>>
void int8_tile_of(int64_t rows, const int8_t* w, const uint8_t* q, int64_t row, int64_t fours,
                  int32_t* sums) {
    if constexpr (R > 1) {
        if (rows < R) return int8_tile_of<V, R - 1>(rows, w, q, row, fours, sums);
    }
#if defined(__AVX512F__)
    if (has_vnni()) return vnni_tile<V, R>(w, q, row, fours, sums);
#endif
    plain_tile<V, R>(w, q, row, fours, sums);
}

template <class W, int V>
void float_product(const char* panel, const Rows& x, int64_t N, float* sums) {
    const auto* w = reinterpret_cast<const typename W::type*>(panel);
    in_tiles<kTileRows<V>>(N, [&](int64_t n, int64_t end) {
        float_tile_of<W, V>(end - n, w, x.data + n * x.row, x.row, x.K, sums + n * V * kWidth);
    });
}

template <int V>
void int8_product(const char* panel, const Rows& x, int64_t N, float* sums) {
    constexpr int L = kWidth;
    const auto* scale = reinterpret_cast<const float*>(panel);
    const float* total = scale + V * L;
    const auto* w = reinterpret_cast<const int8_t*>(total + V * L);
    const int64_t fours = (x.K + 3) / 4;
    alignas(kLine) int32_t whole[kTileRows<V> * V * L];
    in_tiles<kTileRows<V>>(N, [&](int64_t n, int64_t end) {
        int8_tile_of<V>(end - n, w, x.q + n * 4 * fours, 4 * fours, fours, whole);
        for (int64_t m = n; m < end; ++m)
            for (int c = 0; c < V * L; ++c)
                sums[m * V * L + c] =
                    x.step[m] * (scale[c] * float(whole[(m - n) * V * L + c])) + x.low[m] * total[c];
    });
}

using Product = void (*)(const char* panel, const Rows& x, int64_t N, float* sums);

template <int V>
Product product_of(int64_t precision) {
    if (precision == kInt8) return int8_product<V>;
    return precision == kFloat16 ? float_product<Float16, V> : float_product<Float32, V>;
}

// sums (N, vectors) of vectors = N rows times a panel.
inline Product product_of(int64_t precision, int vectors) {
    switch (vectors) {
        case 1: return product_of<1>(precision);
        case 2: return product_of<2>(precision);
        case 3: return product_of<3>(precision);
        default: return product_of<4>(precision);
    }
}

inline int64_t panel_bytes(int64_t precision, int64_t K, int vectors) {
    const int64_t columns = int64_t(vectors) * kWidth;
    const int64_t bytes = precision == kInt8      ? columns * (8 + (K + 3) / 4 * 4)
                          : precision == kFloat16 ? columns * K * 2
                                                  : columns * K * 4;
    return (bytes + kLine - 1) / kLine * kLine;
}

// Column c of a panel is column index(c) of w, or zero where that is negative. A column at a time is
// read from w, a few rows at a time written.
template <class W, class Index>
void pack_floats(char* panel, const Matrix& w, int64_t K, int64_t columns, const Index& index) {
    auto* out = reinterpret_cast<typename W::type*>(panel);
    float block[kLine][kVectors * kWidth];
    for (int64_t start = 0; start < K; start += kLine) {
        const int64_t depth = std::min<int64_t>(kLine, K - start);
        for (int64_t c = 0; c < columns; ++c) {
            const int64_t from = index(c);
            const float* data = static_cast<const float*>(w.data) + std::max<int64_t>(from, 0) * w.column;
            for (int64_t k = 0; k < depth; ++k)
                block[k][c] = from < 0 ? 0.0f : data[(start + k) * w.row];
        }
        for (int64_t k = 0; k < depth; ++k)
            for (int64_t c = 0; c < columns; ++c)
                out[(start + k) * columns + c] = W::from(block[k][c]);
    }
}

template <class Index>
void pack_int8(char* panel, const Matrix& w, int64_t K, int64_t columns, const Index& index) {
    auto* scale = reinterpret_cast<float*>(panel);
    float* total = scale + columns;
    auto* out = reinterpret_cast<int8_t*>(total + columns);
    std::vector<float> column((K + 3) / 4 * 4);
    for (int64_t c = 0; c < columns; ++c) {
        const int64_t from = index(c);
        const float* data = static_cast<const float*>(w.data) + std::max<int64_t>(from, 0) * w.column;
        float most = 0;
        for (int64_t k = 0; k < K; ++k) {
            column[k] = from < 0 ? 0 : data[k * w.row];
            most = std::max(most, std::abs(column[k]));
        }
        const float inverse = most > 0 ? 127 / most : 0;
        int32_t sum = 0;
        for (size_t k = 0; k < column.size(); ++k) {
            const float x = column[k] * inverse;
            const int32_t q = int32_t(x + (x < 0 ? -0.5f : 0.5f));
            out[(int64_t(k) / 4 * columns + c) * 4 + int64_t(k) % 4] = int8_t(q);
            sum += q;
        }
        scale[c] = most / 127;
        total[c] = scale[c] * float(sum);
    }
}

template <class Index>
void pack(int64_t precision, char* panel, const Matrix& w, int64_t K, int vectors, const Index& index) {
    const int64_t columns = int64_t(vectors) * kWidth;
    if (precision == kInt8) return pack_int8(panel, w, K, columns, index);
    if (precision == kFloat16) return pack_floats<Float16>(panel, w, K, columns, index);
    pack_floats<Float32>(panel, w, K, columns, index);
}

// x = low + step * q for K numbers; q has room for K rounded up to four, filled with zeros.
inline void quantise(const float* x, int64_t K, uint8_t* q, float& low, float& step) {
    constexpr int L = kWidth;
    typedef int32_t Whole __attribute__((vector_size(4 * L)));
    typedef uint8_t Bytes __attribute__((vector_size(L)));
    float least = x[0], most = x[0];
    int64_t k = 0;
    if (K >= L) {
        Vec<float> lows = load(x), highs = lows;
        for (; k + L <= K; k += L) {
            const Vec<float> v = load(x + k);
            lows = v < lows ? v : lows;
            highs = v > highs ? v : highs;
        }
        for (int l = 0; l < L; ++l) least = std::min(least, lows[l]), most = std::max(most, highs[l]);
    }
    for (; k < K; ++k) least = std::min(least, x[k]), most = std::max(most, x[k]);
    const float inverse = most > least ? 255 / (most - least) : 0;
    for (k = 0; k + L <= K; k += L) {
        const Vec<float> v = (load(x + k) - least) * inverse + 0.5f;
        const Bytes bytes = __builtin_convertvector(__builtin_convertvector(v, Whole), Bytes);
        std::memcpy(q + k, &bytes, L);
    }
    for (; k < K; ++k) q[k] = uint8_t(int32_t((x[k] - least) * inverse + 0.5f));
    for (; k < (K + 3) / 4 * 4; ++k) q[k] = 0;
    low = least, step = (most - least) / 255;
}

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
