// The loop over time of a cell with a second product inside its step.
//
//     forward   m_t = Cell::inner(a_t, h_{t-1} W_h, state_{t-1})
//               state_t = Cell::outer(a_t, m_t W_m, state_{t-1})
//     backward  d w_t = Cell::outer_backward(d state_t),  d u_t = Cell::inner_backward(d w_t W_m^T)
//
// Of the state's fields the first `outer_fields` are made by outer, the others by inner. The inner
// step reads the fields from `inner_from` on: in a GRU h, whose gradient then waits for the second
// product. Saved values from inner_first to inner_last are inner's.
#pragma once

#include "units.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T, class Cell>
struct TwoProducts {
    using V = Vec<T>;
    static constexpr int L = kLanes<T>, G = Cell::gates, U = Cell::recurrent_gates, W = Cell::second_gates,
                         F = Cell::fields, S = Cell::saved, D = Cell::shared_gates, second = Cell::second;
    static constexpr bool projects = second < 0, relays = Cell::inner_from < Cell::outer_fields;

    static void forward(const Recurrence& r) {
        Panels<T, U> first(r.W_h, r.P, r.H, r.threads, r.T);
        Panels<T, W> then(r.W_m, r.H, r.P, r.threads, r.T);
        share_out(r, first.bytes() + then.bytes(), first.once(), [&](const Share& share) {
            first.pack(share);
            then.pack(share);
            share.barrier.wait();
            const auto scratch = first.scratch(share), then_scratch = then.scratch(share);
            for (int64_t t = 0; t < r.T; ++t) {
                const Step s(r, t);
                const auto h = recurrent_operand<T>(r, s, share);
                first.multiply(
                    share, s.all(), &h, 1, scratch.get(),
                    [&](int64_t n, int v) {
                        for (int g = 0; g < G; ++g) prefetch(at<T>(r.a, s.first + n, g * r.H + v * L));
                    },
                    [&](int64_t n, int64_t end, int v, const T* sums, int64_t stride) {
                        each_row<T>(s, r.H, n, end, v, [&](const Place& p, int64_t i) SUNHWAN_INLINED {
                            inner(r, p, sums + i * stride);
                        });
                    });
                share.meet();
                const Operand<T> m{at<T>(r.m, r.m_kept ? s.first : 0, 0), r.m.row, r.H};
                then.multiply(
                    share, s.all(), &m, 1, then_scratch.get(), [](int64_t, int) {},
                    [&](int64_t n, int64_t end, int v, const T* sums, int64_t stride) {
                        each_row<T>(s, r.P, n, end, v, [&](const Place& p, int64_t i) SUNHWAN_INLINED {
                            outer(r, p, sums + i * stride);
                        });
                    });
                share.meet();
            }
        });
    }

    static void backward(const Recurrence& r) {
        Panels<T, 1> first(transposed(r.W_h), U * r.H, r.P, r.threads, r.T - 1 + r.reaches_initial);
        Panels<T, 1> then(transposed(r.W_m), W * r.P, r.H, r.threads, r.T);
        share_out(r, first.bytes() + then.bytes(), then.once(), [&](const Share& share) {
            first.pack(share);
            then.pack(share);
            share.barrier.wait();
            const auto scratch = first.scratch(share), then_scratch = then.scratch(share);
            for (int64_t t = r.T - 1; t >= -r.reaches_initial; --t) {
                const Step s(r, t);
                const auto& from = D > 0 ? r.d_a : r.d_u;
                const Operand<T> d_u{at<T>(from, s.after, 0), from.row, U * r.H};
                backward_product(
                    first, share, s, &d_u, 1, scratch.get(),
                    [&](int64_t n, int v) {
                        if (t >= 0 && !projects)
                            for (int k = 0; k < S; ++k) prefetch(at<T>(r.saved[k], s.first + n, v * L));
                    },
                    [&](int64_t n, int64_t end, int v, const T* sums, int64_t stride) {
                        each_row<T>(s, r.P, n, end, v, [&](const Place& p, int64_t i) SUNHWAN_INLINED {
                            outer_backward(r, p, sums + i * stride);
                        });
                    });
                if (t < 0) break;
                share.meet();
                const Operand<T> d_w{projects ? at<T>(r.d_w, s.first, 0) : at<T>(r.d_a, s.first, second * r.H),
                                     projects ? r.d_w.row : r.d_a.row, W * r.P};
                then.multiply(
                    share, s.all(), &d_w, 1, then_scratch.get(), [](int64_t, int) {},
                    [&](int64_t n, int64_t end, int v, const T* sums, int64_t stride) {
                        each_row<T>(s, r.H, n, end, v, [&](const Place& p, int64_t i) SUNHWAN_INLINED {
                            inner_backward(r, p, sums + i * stride);
                        });
                    });
                share.meet();
            }
        });
    }

    static constexpr Kernel kernel(const char* name) {
        Kernel k{name, G, F, S, {}, U, D, second, true, forward, backward};
        for (int s = 0; s < S; ++s) k.saved_width[s] = 1;
        return k;
    }

private:
    static SUNHWAN_INLINE void inner(const Recurrence& r, const Place& p, const T* sums) {
        V a[G], u[U], prev[F], next[F], m[1], keep[S];
        for (int g = 0; g < G; ++g) a[g] = load_input<T>(r, g, p);
        for (int g = 0; g < U; ++g) u[g] = load(sums + g * L);
        for (int f = Cell::inner_from; f < F; ++f) prev[f] = load_before<T>(r, f, p);
        Cell::inner(a, u, prev, next, m, keep);
        for (int s = Cell::inner_first; s < Cell::inner_last; ++s)
            store(at<T>(r.saved[s], p.row, p.unit), keep[s], p.count);
        store(at<T>(r.m, r.m_kept ? p.row : p.n, p.unit), m[0], p.count);
        for (int f = Cell::outer_fields; f < F; ++f) store_made<T>(r, f, p, next[f], prev[f]);
    }

    static SUNHWAN_INLINE void outer(const Recurrence& r, const Place& p, const T* sums) {
        V a[G], w[W], prev[F], next[F], keep[S];
        if (!projects) {
            for (int g = 0; g < G; ++g) a[g] = load_input<T>(r, g, p);
            for (int s = Cell::inner_first; s < Cell::inner_last; ++s)
                keep[s] = load(at<T>(r.saved[s], p.row, p.unit), p.count);
        }
        for (int g = 0; g < W; ++g) w[g] = load(sums + g * L);
        for (int f = 0; f < Cell::outer_fields; ++f) prev[f] = load_before<T>(r, f, p);
        Cell::outer(a, w, prev, next, keep);
        for (int s = 0; s < S; ++s)
            if (s < Cell::inner_first || s >= Cell::inner_last)
                store(at<T>(r.saved[s], p.row, p.unit), keep[s], p.count);
        for (int f = 0; f < Cell::outer_fields; ++f) store_made<T>(r, f, p, next[f], prev[f]);
    }

    static SUNHWAN_INLINE void outer_backward(const Recurrence& r, const Place& p, const T* sums) {
        V d[F], held[F], kept[S], prev[F], made[F], d_w[W], carry[F];
        d[0] = load_carry<T>(r, 0, p) + dropped<T>(r, p, load(sums));
        if (p.t < 0) return store(at<T>(r.d_initial[0], r.P, p.n, p.unit), d[0], p.count);
        for (int f = 1; f < Cell::outer_fields; ++f) d[f] = load_carry<T>(r, f, p);
        for (int f = 0; f < Cell::outer_fields; ++f) {
            d[f] += load_outside<T>(r, f, p);
            if (relays) store(at<T>(r.d_initial[f], r.P, p.n, p.unit), d[f], p.count);
            held[f] = split_held<T>(r, f, p, d[f]);
            prev[f] = load_before<T>(r, f, p);
            made[f] = load_made<T>(r, f, p);
        }
        if (!projects)
            for (int s = 0; s < S; ++s) kept[s] = load(at<T>(r.saved[s], p.row, p.unit), p.count);
        Cell::outer_backward(d, kept, prev, made, d_w, carry);
        for (int g = 0; g < W; ++g)
            store(projects ? at<T>(r.d_w, p.row, p.unit) : at<T>(r.d_a, p.row, (second + g) * r.H + p.unit),
                  d_w[g], p.count);
        if (!relays)
            for (int f = 0; f < Cell::outer_fields; ++f)
                store(at<T>(r.d_initial[f], p.size, p.n, p.unit), carry[f] + held[f], p.count);
    }

    static SUNHWAN_INLINE void inner_backward(const Recurrence& r, const Place& p, const T* sums) {
        V d[F], held[F], d_m[1], kept[S], prev[F], made[F], d_a[G], d_u[U], carry[F];
        for (int f = Cell::inner_from; f < F; ++f) {
            d[f] = relays ? load(at<T>(r.d_initial[f], r.H, p.n, p.unit), p.count)
                          : load_carry<T>(r, f, p) + load_outside<T>(r, f, p);
            held[f] = split_held<T>(r, f, p, d[f]);
            prev[f] = load_before<T>(r, f, p);
            made[f] = load_made<T>(r, f, p);
        }
        d_m[0] = load(sums);
        for (int s = 0; s < S; ++s) kept[s] = load(at<T>(r.saved[s], p.row, p.unit), p.count);
        Cell::inner_backward(d, d_m, kept, prev, made, d_a, d_u, carry);
        for (int g = 0; g < G; ++g)
            if (projects || g < second || g >= second + W)
                store(at<T>(r.d_a, p.row, g * r.H + p.unit), d_a[g], p.count);
        for (int g = D; g < U; ++g) store(at<T>(r.d_u, p.row, (g - D) * r.H + p.unit), d_u[g], p.count);
        for (int f = Cell::inner_from; f < F; ++f)
            store(at<T>(r.d_initial[f], r.H, p.n, p.unit), carry[f] + held[f], p.count);
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
