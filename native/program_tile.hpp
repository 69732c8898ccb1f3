// The operations of a program on a tile of numbers: chosen one by one, each over the tile at once.
#pragma once

#include "units.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

// As in KINDS of program_record.py, in this order.
enum ProgramKind : int64_t {
    kNeg, kAbs, kExp, kExpm1, kLog, kLog1p, kSqrt, kTanh, kSigmoid, kSin, kCos, kFloor, kErf,
    kAdd, kSub, kMul, kDiv, kPow, kMaximum, kMinimum, kLess, kLessEqual, kEqual,
    kSelect, kSum, kMax, kMin, kTake, kProduct,
};

template <class T, class F>
SUNHWAN_INLINE void of_one(T* out, const T* x, int64_t step, int64_t n, const F& f) {
    constexpr int L = kLanes<T>;
    if (step)
        for (int64_t i = 0; i < n; i += L) store(out + i, f(load(x + i)));
    else {
        const Vec<T> value = f(broadcast<T>(*x));
        for (int64_t i = 0; i < n; i += L) store(out + i, value);
    }
}

template <class T, class F>
SUNHWAN_INLINE void of_two(T* out, const T* x, int64_t x_step, const T* y, int64_t y_step, int64_t n, const F& f) {
    constexpr int L = kLanes<T>;
    if (x_step && y_step)
        for (int64_t i = 0; i < n; i += L) store(out + i, f(load(x + i), load(y + i)));
    else if (x_step)
        of_one(out, x, 1, n, [&](Vec<T> v) SUNHWAN_INLINED { return f(v, broadcast<T>(*y)); });
    else
        of_one(out, y, y_step, n, [&](Vec<T> v) SUNHWAN_INLINED { return f(broadcast<T>(*x), v); });
}

// A function of the standard library, number by number.
template <class T, class F>
SUNHWAN_INLINE Vec<T> lanes(Vec<T> x, const F& f) {
    for (int l = 0; l < kLanes<T>; ++l) x[l] = f(x[l]);
    return x;
}

template <class T>
SUNHWAN_INLINE Vec<T> log1p(Vec<T> x) {
    bool small = true;
    for (int l = 0; l < kLanes<T>; ++l) small &= x[l] >= T(0) && x[l] <= T(1);
    return small ? log1p_of_unit<T>(x) : lanes<T>(x, [](T v) { return std::log1p(v); });
}

template <class T>
SUNHWAN_INLINE Vec<T> chosen(typename Vector<T>::bits where) {
    return where ? broadcast<T>(T(1)) : Vec<T>{};
}

// The operations of a pass on a tile. words: where each record begins.
template <class T>
class ProgramTile {
public:
    static constexpr int L = kLanes<T>;

    ProgramTile(const ProgramPass& pass, const int64_t* words, T* numbers)
        : pass_(pass), words_(words), numbers_(numbers) {}

    // count: numbers of every value, of a program of units; else each value has its own.
    void run(int64_t count) const {
        for (int64_t i = 0; i < pass_.operations; ++i)
            apply(reinterpret_cast<const ProgramOperation*>(words_ + pass_.operations_at)[i], count);
    }

private:
    void apply(const ProgramOperation& o, int64_t count) const {
        T* out = numbers_ + o.out;
        const T *x = numbers_ + o.at[0], *y = numbers_ + o.at[1], *z = numbers_ + o.at[2];
        const int64_t n = count ? count : (o.size + L - 1) / L * L, xs = o.step[0], ys = o.step[1], zs = o.step[2];
        using V = Vec<T>;
        const V one = broadcast<T>(T(1));
        const auto unary = [&](const auto& f) SUNHWAN_INLINED { of_one(out, x, xs, n, f); };
        const auto binary = [&](const auto& f) SUNHWAN_INLINED { of_two(out, x, xs, y, ys, n, f); };
        switch (o.kind) {
            case kNeg: return unary([](V v) SUNHWAN_INLINED { return -v; });
            case kAbs: return unary([](V v) SUNHWAN_INLINED { return v < T(0) ? -v : v; });
            case kExp: return unary([](V v) SUNHWAN_INLINED { return exponential<T>(v); });
            case kExpm1: return unary([](V v) SUNHWAN_INLINED { return expm1<T>(v); });
            case kLog: return unary([](V v) { return lanes<T>(v, [](T a) { return std::log(a); }); });
            case kLog1p: return unary([](V v) { return log1p<T>(v); });
            case kSqrt: return unary([](V v) SUNHWAN_INLINED { return square_root<T>(v); });
            case kTanh: return unary([](V v) SUNHWAN_INLINED { return tanh<T>(v); });
            case kSigmoid: return unary([](V v) SUNHWAN_INLINED { return sigmoid<T>(v); });
            case kSin: return unary([](V v) { return lanes<T>(v, [](T a) { return std::sin(a); }); });
            case kCos: return unary([](V v) { return lanes<T>(v, [](T a) { return std::cos(a); }); });
            case kFloor: return unary([](V v) { return lanes<T>(v, [](T a) { return std::floor(a); }); });
            case kErf: return unary([](V v) { return lanes<T>(v, [](T a) { return std::erf(a); }); });
            case kAdd: return binary([](V a, V b) SUNHWAN_INLINED { return a + b; });
            case kSub: return binary([](V a, V b) SUNHWAN_INLINED { return a - b; });
            case kMul: return binary([](V a, V b) SUNHWAN_INLINED { return a * b; });
            case kDiv: return binary([](V a, V b) SUNHWAN_INLINED { return a / b; });
            case kPow:
                return binary([](V a, V b) {
                    for (int l = 0; l < L; ++l) a[l] = std::pow(a[l], b[l]);
                    return a;
                });
            case kMaximum: return binary([](V a, V b) SUNHWAN_INLINED { return maximum<T>(a, b); });
            case kMinimum: return binary([](V a, V b) SUNHWAN_INLINED { return -maximum<T>(-a, -b); });
            case kLess: return binary([&](V a, V b) SUNHWAN_INLINED { return a < b ? one : V{}; });
            case kLessEqual: return binary([&](V a, V b) SUNHWAN_INLINED { return a <= b ? one : V{}; });
            case kEqual: return binary([&](V a, V b) SUNHWAN_INLINED { return a == b ? one : V{}; });
            case kSelect:
                for (int64_t i = 0; i < n; i += L) {
                    const V where = xs ? load(x + i) : broadcast<T>(*x);
                    const V a = ys ? load(y + i) : broadcast<T>(*y), b = zs ? load(z + i) : broadcast<T>(*z);
                    store(out + i, where != T(0) ? a : b);
                }
                return;
            case kSum: return reduce(out, x, o.size, o.inner, T(0), [](T a, T b) { return a + b; });
            case kMax: return reduce(out, x, o.size, o.inner, x[0], larger, true);
            case kMin:
                return reduce(out, x, o.size, o.inner, x[0], [](T a, T b) { return -larger(-a, -b); }, true);
            case kTake: return take(out, o);
            case kProduct: return product(out, x, y, o.inner, o.size);
        }
    }

    static T larger(T a, T b) { return a > b || a != a ? a : b; }

    // Of each group of `inner` neighbours.
    template <class F>
    static void reduce(T* out, const T* x, int64_t groups, int64_t inner, T start, const F& f, bool own = false) {
        for (int64_t g = 0; g < groups; ++g, x += inner) {
            // Several sums side by side, for an addition waits for the one before it.
            T part[4] = {start, start, start, start};
            if (own) part[0] = part[1] = part[2] = part[3] = x[0];
            int64_t i = 0;
            for (; i + 4 <= inner; i += 4)
                for (int k = 0; k < 4; ++k) part[k] = f(part[k], x[i + k]);
            for (; i < inner; ++i) part[0] = f(part[0], x[i]);
            out[g] = f(f(part[0], part[1]), f(part[2], part[3]));
        }
    }

    // Runs of neighbours (place in the result, place in the tile, count), or where o.inner is 0 each place.
    void take(T* out, const ProgramOperation& o) const {
        const int64_t* list = words_ + o.list_at;
        if (o.inner == 0)
            for (int64_t i = 0; i < o.size; ++i) out[i] = numbers_[list[i]];
        else
            for (int64_t i = 0; i < o.inner; ++i, list += 3)
                std::memcpy(out + list[0], numbers_ + list[1], size_t(list[2]) * sizeof(T));
    }

    static void product(T* out, const T* x, const T* w, int64_t K, int64_t size) {
        for (int64_t j = 0; j < size; j += L) {
            const int count = int(std::min<int64_t>(L, size - j));
            Vec<T> sum{};
            for (int64_t k = 0; k < K; ++k) sum += x[k] * load(w + k * size + j, count);
            store(out + j, sum, count);
        }
    }

    const ProgramPass& pass_;
    const int64_t* words_;
    T* numbers_;
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
