// The loop over time of a cell whose units meet in one product, h W_h, and are otherwise alone.
//
//     forward   u_t = h_{t-1} W_h,            state_t = Cell::forward(a_t, u_t, state_{t-1})
//     backward  d h_t += d u_{t+1} W_h^T,     d u_t, d state_{t-1} = Cell::backward(d state_t, ...)
//
// A thread owns units for the whole sequence; threads meet once a step, where the next product needs
// every unit of h (of d u).
#pragma once

#include "product.hpp"
#include "threads.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
SUNHWAN_INLINE T* at(const Series& s, int64_t t, int64_t n, int64_t unit) {
    return static_cast<T*>(s.data) + t * s.step + n * s.row + unit;
}

// Values (N, size), one row after another.
template <class T>
SUNHWAN_INLINE T* at(const void* rows, int64_t size, int64_t n, int64_t unit) {
    return static_cast<T*>(const_cast<void*>(rows)) + n * size + unit;
}

template <class T>
SUNHWAN_INLINE Vec<T> load_extra(const void* extra, int64_t index, int count) {
    return load(static_cast<const T*>(extra) + index, count);
}

// hold * before + (1 - hold) * made; where hold is 1, before, whatever was made.
template <class T>
SUNHWAN_INLINE Vec<T> held(Vec<T> made, Vec<T> before, Vec<T> share) {
    return share == T(1) ? before : made + share * (before - made);
}

template <class T>
SUNHWAN_INLINE Vec<T> load_hold(const Recurrence& r, int f, int64_t t, int64_t n, int64_t unit,
                                int count) {
    const T* p = at<T>(r.hold[f], t, n, unit * r.hold_unit[f]);
    return r.hold_unit[f] ? load(p, count) : broadcast<T>(*p);
}

// A number of the cell's own parameter `e` stands at part e of the functor's `extra`: those of
// several blocks of units (peepholes) count as one each.
template <class T, class Cell>
struct Elementwise {
    using V = Vec<T>;
    static constexpr int L = kLanes<T>, G = Cell::gates, F = Cell::fields, S = Cell::saved,
                         E = Cell::extra, D = Cell::distinct;

    static int64_t size(const Recurrence& r, int) { return r.H; }

    static void forward(const Recurrence& r) {
        parallel(int(r.threads), [&](int thread, Barrier& barrier, int threads) {
            const Panels<T, G> panels(r.W_h, r.H, r.H, thread, threads);
            const auto scratch = allocate<T>(panels.scratch_size(r.N));
            for (int64_t t = 0; t < r.T; ++t) {
                if (r.drop) drop_operand(r, t, thread, threads), barrier.wait();
                const Operand<T> h = r.drop ? Operand<T>{at<T>(r.operand, t, 0, 0), r.operand.row, r.H}
                                            : before(r, t);
                for (size_t i = 0; i < panels.blocks().size(); ++i)
                    panels.multiply(
                        i, r.N, &h, 1, scratch.get(),
                        [&](int64_t n, int v) {
                            for (int g = 0; g < G; ++g) prefetch(at<T>(r.a, t, n, g * r.H + v * L));
                        },
                        [&](int64_t n, int v, const T* sums) { unit_forward(r, t, n, v, sums); });
                barrier.wait();
            }
        });
    }

    static void backward(const Recurrence& r) {
        parallel(int(r.threads), [&](int thread, Barrier& barrier, int threads) {
            // The same matrix read the other way: k runs over (gate, unit).
            const Matrix transposed{r.W_h.data, r.W_h.column, r.W_h.row};
            const Panels<T, 1> panels(transposed, G * r.H, r.H, thread, threads);
            const auto scratch = allocate<T>(panels.scratch_size(r.N));
            for (int64_t t = r.T - 1; t >= -1; --t) {
                // d u_{t+1}: the blocks it shares with d a, then those that differ.
                Operand<T> d_u[2];
                int count = 0;
                if (t == r.T - 1)
                    d_u[count++] = {nullptr, 0, 0};
                else {
                    if (D > 0) d_u[count++] = {at<T>(r.d_a, t + 1, 0, 0), r.d_a.row, D * r.H};
                    if (D < G) d_u[count++] = {at<T>(r.d_u, t + 1, 0, 0), r.d_u.row, (G - D) * r.H};
                }
                for (size_t i = 0; i < panels.blocks().size(); ++i)
                    panels.multiply(
                        i, r.N, d_u, count, scratch.get(),
                        [&](int64_t n, int v) {
                            if (t < 0) return;
                            for (int s = 0; s < S; ++s) prefetch(at<T>(r.saved[s], t, n, v * L));
                            if (r.d_states[0].data) prefetch(at<T>(r.d_states[0], t, n, v * L));
                        },
                        [&](int64_t n, int v, const T* sums) { unit_backward(r, t, n, v, sums); });
                if (t >= 0) barrier.wait();
            }
        });
    }

private:
    static Operand<T> before(const Recurrence& r, int64_t t) {
        if (t == 0) return {static_cast<const T*>(r.initial[0]), r.H, r.H};
        return {at<T>(r.states[0], t - 1, 0, 0), r.states[0].row, r.H};
    }

    static void drop_operand(const Recurrence& r, int64_t t, int thread, int threads) {
        const auto h = before(r, t);
        const T* drop = static_cast<const T*>(r.drop);
        for (int64_t n = r.N * thread / threads; n < r.N * (thread + 1) / threads; ++n)
            for (int64_t k = 0; k < r.H; ++k)
                *at<T>(r.operand, t, n, k) = h.data[n * h.row + k] * drop[n * r.H + k];
    }

    struct Place {
        int64_t t, n, unit;
        int count;
    };

    static SUNHWAN_INLINE void load_before(const Recurrence& r, const Place& p, V* prev) {
        for (int f = 0; f < F; ++f)
            prev[f] = load(p.t == 0 ? at<T>(r.initial[f], r.H, p.n, p.unit)
                                    : at<T>(r.states[f], p.t - 1, p.n, p.unit),
                           p.count);
    }

    static SUNHWAN_INLINE void load_extras(const Recurrence& r, const Place& p, V* extra) {
        for (int e = 0; e < E; ++e) extra[e] = load_extra<T>(r.extra[0], e * r.H + p.unit, p.count);
    }

    static SUNHWAN_INLINE Place place(const Recurrence& r, int64_t t, int64_t n, int v) {
        const int64_t unit = int64_t(v) * L;
        return {t, n, unit, int(std::min<int64_t>(L, r.H - unit))};
    }

    static void unit_forward(const Recurrence& r, int64_t t, int64_t n, int v, const T* sums) {
        const Place p = place(r, t, n, v);
        V a[G], u[G], prev[F], extra[E + 1], next[F], saved[S + 1];
        for (int g = 0; g < G; ++g) {
            a[g] = load(at<T>(r.a, t, n, g * r.H + p.unit), p.count);
            u[g] = load(sums + g * L);
            if (r.b_h) u[g] += load_extra<T>(r.b_h, g * r.H + p.unit, p.count);
        }
        load_before(r, p, prev);
        load_extras(r, p, extra);
        Cell::forward(a, u, prev, extra, next, saved);
        if (r.saved[0].data)
            for (int s = 0; s < S; ++s) store(at<T>(r.saved[s], t, n, p.unit), saved[s], p.count);
        if (r.hold[0].data)
            for (int f = 0; f < F; ++f) {
                if (r.made[f].data) store(at<T>(r.made[f], t, n, p.unit), next[f], p.count);
                next[f] = held<T>(next[f], prev[f], load_hold<T>(r, f, t, n, p.unit, p.count));
            }
        for (int f = 0; f < F; ++f) store(at<T>(r.states[f], t, n, p.unit), next[f], p.count);
    }

    static void unit_backward(const Recurrence& r, int64_t t, int64_t n, int v, const T* sums) {
        const Place p = place(r, t, n, v);
        // d_initial carries what bypasses the product, from step to step.
        V d[F], carry[F];
        for (int f = 0; f < F; ++f)
            d[f] = t == r.T - 1 ? (r.d_last[f] ? load(at<T>(r.d_last[f], r.H, n, p.unit), p.count) : V{})
                                : load(at<T>(r.d_initial[f], r.H, n, p.unit), p.count);
        V through = load(sums);
        if (r.drop && t < r.T - 1) through *= load(at<T>(r.drop, r.H, n, p.unit), p.count);
        d[0] += through;
        if (t < 0) return store(at<T>(r.d_initial[0], r.H, n, p.unit), d[0], p.count);
        for (int f = 0; f < F; ++f)
            if (r.d_states[f].data) d[f] += load(at<T>(r.d_states[f], t, n, p.unit), p.count);
        V keep[F]{}, share[F]{};
        if (r.hold[0].data)
            for (int f = 0; f < F; ++f) {
                share[f] = load_hold<T>(r, f, t, n, p.unit, p.count);
                keep[f] = d[f] * share[f];
                d[f] = share[f] == T(1) ? V{} : d[f] - keep[f];
            }
        V saved[S + 1], prev[F], made[F], extra[E + 1], d_a[G], d_u[G], d_extra[E + 1];
        for (int s = 0; s < S; ++s) saved[s] = load(at<T>(r.saved[s], t, n, p.unit), p.count);
        load_before(r, p, prev);
        for (int f = 0; f < F; ++f)
            made[f] = load(at<T>(r.hold[0].data ? r.made[f] : r.states[f], t, n, p.unit), p.count);
        load_extras(r, p, extra);
        Cell::backward(d, saved, prev, made, extra, d_a, d_u, carry, d_extra);
        if (r.hold[0].data) {
            // Where the whole state was held nothing was read: not even what is not a number.
            for (int g = 0; g < G; ++g) d_a[g] = idle(share, d_a[g]), d_u[g] = idle(share, d_u[g]);
            for (int f = 0; f < F; ++f) carry[f] = idle(share, carry[f]) + keep[f];
            for (int e = 0; e < E; ++e) d_extra[e] = idle(share, d_extra[e]);
        }
        for (int g = 0; g < G; ++g) store(at<T>(r.d_a, t, n, g * r.H + p.unit), d_a[g], p.count);
        for (int g = D; g < G; ++g) store(at<T>(r.d_u, t, n, (g - D) * r.H + p.unit), d_u[g], p.count);
        for (int f = 0; f < F; ++f) store(at<T>(r.d_initial[f], r.H, n, p.unit), carry[f], p.count);
        for (int e = 0; e < E; ++e) {
            T* sum = at<T>(r.d_extra[0], E * r.H, n, e * r.H + p.unit);
            store(sum, t == r.T - 1 ? d_extra[e] : load(sum, p.count) + d_extra[e], p.count);
        }
    }

    static SUNHWAN_INLINE V idle(const V* share, V x) {
        auto all = share[0] == T(1);
        for (int f = 1; f < F; ++f) all &= share[f] == T(1);
        return all ? V{} : x;
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
