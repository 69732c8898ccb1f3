// A vector of numbers as wide as the processor's registers, and the functions of the gates on it.
//
// Written with the vector extension of GCC and Clang, so that one text serves every instruction set:
// kernels.cpp is compiled once for each, and SUNHWAN_ISA names the namespace.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#define SUNHWAN_INLINE inline __attribute__((always_inline))
#define SUNHWAN_INLINED __attribute__((always_inline))  // of a lambda

namespace sunhwan {
namespace SUNHWAN_ISA {

#if defined(__AVX512F__)
constexpr int kBytes = 64, kAccumulators = 24;
#elif defined(__AVX2__)
constexpr int kBytes = 32, kAccumulators = 12;
#elif defined(__aarch64__)
constexpr int kBytes = 16, kAccumulators = 24;
#else
constexpr int kBytes = 16, kAccumulators = 12;
#endif

template <class T>
struct Vector;
template <>
struct Vector<float> {
    typedef float type __attribute__((vector_size(kBytes)));
    typedef int32_t bits __attribute__((vector_size(kBytes)));
};
template <>
struct Vector<double> {
    typedef double type __attribute__((vector_size(kBytes)));
    typedef int64_t bits __attribute__((vector_size(kBytes)));
};
template <class T>
using Vec = typename Vector<T>::type;
template <class T>
constexpr int kLanes = kBytes / int(sizeof(T));

template <class T>
SUNHWAN_INLINE Vec<T> broadcast(T x) {
    return x - Vec<T>{};
}
template <class T>
SUNHWAN_INLINE Vec<T> load(const T* p) {
    Vec<T> v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
template <class T>
SUNHWAN_INLINE void store(T* p, Vec<T> v) {
    std::memcpy(p, &v, sizeof v);
}
// The first `count` lanes; the others are 0 on loading and left alone on storing.
template <class T>
SUNHWAN_INLINE Vec<T> load(const T* p, int count) {
    if (count == kLanes<T>) return load(p);
    Vec<T> v{};
    std::memcpy(&v, p, count * sizeof(T));
    return v;
}
template <class T>
SUNHWAN_INLINE void store(T* p, Vec<T> v, int count) {
    if (count == kLanes<T>) return store(p, v);
    std::memcpy(p, &v, count * sizeof(T));
}

// A round of a transpose: the lanes of a whose number has bit s change places with those of b that do not.
template <class T, int s, int... l>
SUNHWAN_INLINE void exchange(Vec<T>& a, Vec<T>& b, std::integer_sequence<int, l...>) {
    constexpr int L = kLanes<T>;
#if defined(__clang__)
    const Vec<T> first = __builtin_shufflevector(a, b, ((l & s) ? l - s + L : l)...);
    b = __builtin_shufflevector(a, b, ((l & s) ? l + L : l + s)...);
#else
    using Lanes = typename Vector<T>::bits;
    const Vec<T> first = __builtin_shuffle(a, b, Lanes{((l & s) ? l - s + L : l)...});
    b = __builtin_shuffle(a, b, Lanes{((l & s) ? l + L : l + s)...});
#endif
    a = first;
}

// Row i of a square of vectors becomes its column i.
template <class T, int s = 1>
SUNHWAN_INLINE void transpose(Vec<T>* rows) {
    constexpr int L = kLanes<T>;
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i)
        if (!(i & s)) exchange<T, s>(rows[i], rows[i | s], std::make_integer_sequence<int, L>{});
    if constexpr (2 * s < L) transpose<T, 2 * s>(rows);
}

// What the exponential needs of a number format. The series is Taylor's, for |r| <= ln(2) / 2: its
// first term left out is below half a unit in the last place.
template <class T>
struct Format;
template <>
struct Format<float> {
    static constexpr float round = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
    static constexpr float log2e = 1.44269504088896341f;
    static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
    static constexpr float least = -87.0f, most = 88.0f, flat = 20.0f, tiny = 1.17549435e-38f;
    static constexpr int mantissa = 23, bias = 127, terms = 7, log_terms = 8;
};
template <>
struct Format<double> {
    static constexpr double round = 6755399441055744.0;
    static constexpr double log2e = 1.44269504088896338700;
    static constexpr double ln2_high = 6.93145751953125e-1, ln2_low = 1.42860682030941723212e-6;
    static constexpr double least = -708.0, most = 709.0, flat = 40.0;
    static constexpr double tiny = 2.2250738585072014e-308;
    static constexpr int mantissa = 52, bias = 1023, terms = 13, log_terms = 18;
};

template <class T>
struct Scaled {
    Vec<T> p, scale;  // exp(x) = scale * (1 + p)
};

// x in [least, most] or NaN.
template <class T>
SUNHWAN_INLINE Scaled<T> scaled_expm1(Vec<T> x) {
    using F = Format<T>;
    using B = typename Vector<T>::bits;
    const Vec<T> z = x * F::log2e + F::round;
    const Vec<T> n = z - F::round;
    const Vec<T> r = (x - n * F::ln2_high) - n * F::ln2_low;
    T c = 1;
    T inverse[F::terms + 1];
    for (int k = 1; k <= F::terms; ++k) inverse[k] = (c /= T(k));
    Vec<T> p = broadcast<T>(inverse[F::terms]);
#pragma GCC unroll 16
    for (int k = F::terms - 1; k >= 2; --k) p = p * r + inverse[k];
    p = p * (r * r) + r;
    const B k = (B)z - (B)broadcast<T>(F::round);
    const B scale = (k + F::bias) << F::mantissa;
    return {p, (Vec<T>)scale};
}

// A NaN stays one: x86's instructions return their second operand if either is one.
template <class T>
SUNHWAN_INLINE Vec<T> clamp(Vec<T> x, T low, T high) {
    const Vec<T> l = broadcast<T>(low), h = broadcast<T>(high);
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) return (Vec<T>)_mm512_min_ps((__m512)h, _mm512_max_ps((__m512)l, (__m512)x));
    if constexpr (sizeof(T) == 8) return (Vec<T>)_mm512_min_pd((__m512d)h, _mm512_max_pd((__m512d)l, (__m512d)x));
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4) return (Vec<T>)_mm256_min_ps((__m256)h, _mm256_max_ps((__m256)l, (__m256)x));
    if constexpr (sizeof(T) == 8) return (Vec<T>)_mm256_min_pd((__m256d)h, _mm256_max_pd((__m256d)l, (__m256d)x));
#endif
    x = x < l ? l : x;
    return x > h ? h : x;
}

// Below exp(least) 0, above exp(most) infinite.
template <class T>
SUNHWAN_INLINE Vec<T> exponential(Vec<T> x) {
    using F = Format<T>;
    const auto e = scaled_expm1<T>(clamp<T>(x, F::least, F::most));
    Vec<T> y = e.scale + e.scale * e.p;
    y = x < F::least ? Vec<T>{} : y;
    return x > F::most ? broadcast<T>(T(__builtin_inf())) : y;
}

template <class T>
SUNHWAN_INLINE Vec<T> expm1(Vec<T> x) {
    const auto e = scaled_expm1<T>(clamp<T>(x, Format<T>::least, Format<T>::most));
    return e.scale * e.p + (e.scale - T(1));
}

template <class T>
SUNHWAN_INLINE Vec<T> square_root(Vec<T> x) {
    for (int l = 0; l < kLanes<T>; ++l) x[l] = std::sqrt(x[l]);
    return x;
}

template <class T>
SUNHWAN_INLINE Vec<T> sigmoid(Vec<T> x) {
    using F = Format<T>;
    const auto e = scaled_expm1<T>(clamp<T>(-x, F::least, F::most));
    return T(1) / (e.scale * e.p + (e.scale + T(1)));
}

template <class T>
SUNHWAN_INLINE Vec<T> tanh(Vec<T> x) {
    using F = Format<T>;
    const auto e = scaled_expm1<T>(clamp<T>(x + x, -F::flat, F::flat));
    const Vec<T> less = e.scale * e.p + (e.scale - T(1));
    return less / (less + T(2));
}

// log(1 + e) for 0 <= e <= 1: 2 artanh(e / (2 + e)).
template <class T>
SUNHWAN_INLINE Vec<T> log1p_of_unit(Vec<T> e) {
    const Vec<T> s = e / (e + T(2)), q = s * s;
    Vec<T> p{};
#pragma GCC unroll 20
    for (int k = Format<T>::log_terms; k >= 1; --k) p = (p + T(1) / T(2 * k + 1)) * q;
    return T(2) * (s * p + s);
}

template <class T>
SUNHWAN_INLINE Vec<T> log_sigmoid(Vec<T> x) {
    const Vec<T> low = x < T(0) ? x : Vec<T>{};
    const Vec<T> e = exponential<T>(x < T(0) ? x : -x);
    return (x != x) ? x : low - log1p_of_unit<T>(e);
}

template <class T>
SUNHWAN_INLINE Vec<T> maximum(Vec<T> x, Vec<T> y) {
    return (x > y) ? x : ((y == y) ? ((x == x) ? y : x) : y);
}

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
