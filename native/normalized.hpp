// The loop over time of a cell that normalises its recurrent product over a row.
//
// A step has two parts: the product, and the rest, which is always shared by rows, for a row's
// statistics need all of its units.
#pragma once

#include "units.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
SUNHWAN_INLINE T total(Vec<T> v) {
    T sum = 0;
    for (int l = 0; l < kLanes<T>; ++l) sum += v[l];
    return sum;
}

template <class T>
SUNHWAN_INLINE Vec<T> first_lanes(Vec<T> v, int count) {
    if (count < kLanes<T>)
        for (int l = count; l < kLanes<T>; ++l) v[l] = 0;
    return v;
}

// N(v) = (v - mean) * scale, scale = 1 / sqrt(variance + 1e-5).
template <class T>
struct Moments {
    T mean, scale;

    static Moments of(const T* row, int64_t K) {
        constexpr int L = kLanes<T>;
        Vec<T> sum{}, squares{};
        for (int64_t k = 0; k < K; k += L) sum += load(row + k, int(std::min<int64_t>(L, K - k)));
        const T mean = total<T>(sum) / T(K);
        for (int64_t k = 0; k < K; k += L) {
            const int count = int(std::min<int64_t>(L, K - k));
            const Vec<T> v = first_lanes<T>(load(row + k, count) - mean, count);
            squares += v * v;
        }
        return {mean, T(1) / std::sqrt(total<T>(squares) / T(K) + T(1e-5))};
    }

    SUNHWAN_INLINE Vec<T> operator()(Vec<T> v) const { return (v - mean) * scale; }
};

// Of the gradient d of N(v), times the gain: d v = scale * (d - mean(d) - N(v) mean(d N(v))).
template <class T>
struct BackwardMoments {
    Vec<T> sum{}, product{};
    T mean = 0, slope = 0;

    SUNHWAN_INLINE void add(Vec<T> d, Vec<T> normal, int count) {
        sum += first_lanes<T>(d, count);
        product += first_lanes<T>(d * normal, count);
    }
    void close(int64_t K) { mean = total<T>(sum) / T(K), slope = total<T>(product) / T(K); }
    SUNHWAN_INLINE Vec<T> operator()(Vec<T> d, Vec<T> normal, T scale) const {
        return scale * (d - mean - normal * slope);
    }
};

template <class T, class Cell>
struct Normalized {
    static constexpr int L = kLanes<T>, G = Cell::gates, S = Cell::saved;

    static void forward(const Recurrence& r) {
        Panels<T, 1> panels(r.W_h, r.H, G * r.H, r.threads, r.T);
        share_out(r, panels.bytes(), panels.once(), [&](const Share& share) {
            panels.pack(share);
            share.barrier.wait();
            const auto scratch = panels.scratch(share);
            const Series& u = r.saved[Cell::product];
            for (int64_t t = 0; t < r.T; ++t) {
                const Step s(r, t);
                const Range own = share.own_rows(s.count);
                const auto h = recurrent_operand<T>(r, s, share);
                panels.multiply(
                    share, s.all(), &h, 1, scratch.get(), [](int64_t, int) {},
                    [&](int64_t first, int64_t end, int v, const T* sums, int64_t stride) {
                        each_row<T>(s, G * r.H, first, end, v, [&](const Place& p, int64_t i) {
                            store(at<T>(u, p.row, p.unit), load(sums + i * stride), p.count);
                        });
                    });
                share.meet();
                for (int64_t n = own.first; n < own.end; ++n) Cell::forward(r, s, n);
                share.meet();
            }
        });
    }

    static void backward(const Recurrence& r) {
        Panels<T, 1> panels(transposed(r.W_h), G * r.H, r.H, r.threads, r.T - 1 + r.reaches_initial);
        share_out(r, panels.bytes(), panels.once(), [&](const Share& share) {
            panels.pack(share);
            share.barrier.wait();
            const auto scratch = panels.scratch(share);
            for (int64_t t = r.T - 1; t >= 0; --t) {
                const Step s(r, t);
                const Range own = share.own_rows(s.count);
                for (int64_t n = own.first; n < own.end; ++n) Cell::backward(r, s, n);
                if (t == 0 && !r.reaches_initial) break;
                share.meet();
                const Operand<T> d_u{at<T>(r.d_u, s.first, 0), r.d_u.row, G * r.H};
                panels.multiply(
                    share, s.all(), &d_u, 1, scratch.get(), [](int64_t, int) {},
                    [&](int64_t first, int64_t end, int v, const T* sums, int64_t stride) {
                        each_row<T>(s, r.H, first, end, v, [&](const Place& p, int64_t i) {
                            T* d_h = at<T>(r.d_initial[0], r.H, p.n, p.unit);
                            const Vec<T> d = dropped<T>(r, p, load(sums + i * stride));
                            store(d_h, load(d_h, p.count) + d, p.count);
                        });
                    });
                share.meet();
            }
        });
    }

    static constexpr Kernel kernel(const char* name) {
        Kernel k{name, G, Cell::fields, S, {}, G, 0, -1, true, forward, backward};
        for (int s = 0; s < S; ++s) k.saved_width[s] = s < Cell::product ? 1 : s == Cell::product ? G : -4;
        return k;
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
