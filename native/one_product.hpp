// The loop over time of a cell whose units interact in one product, h W_h, and are otherwise independent.
//
//     forward   u_t = h_{t-1} W_h,            state_t = Cell::forward(a_t, u_t, state_{t-1})
//     backward  d h_t += d u_{t+1} W_h^T,     d u_t, d state_{t-1} = Cell::backward(d state_t, ...)
//
// Where threads share units they synchronise once a step, for the next product needs every unit of h (of d u).
#pragma once

#include "units.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

// Cell's `extra` are the blocks of H of its own parameter, and after them the equation's constant.
template <class T, class Cell>
struct Units {
    using V = Vec<T>;
    static constexpr int L = kLanes<T>, G = Cell::gates, F = Cell::fields, S = Cell::saved,
                         E = Cell::extra, D = Cell::shared_gates;

    // Rows from `first` to `end` of one vector of units: gate g of a row's product is at sums + g * L,
    // the next row's `stride` further.
    static void forward(const Recurrence& r, const Step& s, int64_t first, int64_t end, int v, const T* sums,
                        int64_t stride) {
        each_row<T>(s, r.H, first, end, v, [&](const Place& p, int64_t i) SUNHWAN_INLINED {
            forward(r, p, sums + i * stride);
        });
    }

    static void backward(const Recurrence& r, const Step& s, int64_t first, int64_t end, int v, const T* sums,
                         int64_t stride) {
        each_row<T>(s, r.H, first, end, v, [&](const Place& p, int64_t i) SUNHWAN_INLINED {
            backward(r, p, sums + i * stride);
        });
    }

    static constexpr Kernel kernel(const char* name, int recurrent_gates, Pass forward, Pass backward) {
        Kernel k{name, G, F, S, {}, recurrent_gates, D, -1, false, forward, backward};
        for (int s = 0; s < S; ++s) k.saved_width[s] = 1;
        return k;
    }

private:
    static SUNHWAN_INLINE void load_extras(const Recurrence& r, const Place& p, V* extra) {
        for (int e = 0; e < E; ++e) extra[e] = load_extra<T>(r.extra[0], e * r.H + p.unit, p.count);
        extra[E] = broadcast<T>(T(r.constant));
    }

    static SUNHWAN_INLINE void forward(const Recurrence& r, const Place& p, const T* sums) {
        V a[G], u[G], prev[F], extra[E + 1], next[F], saved[S + 1];
        for (int g = 0; g < G; ++g) {
            a[g] = load_input<T>(r, g, p);
            u[g] = load(sums + g * L);
            if (r.b_h) u[g] += load_extra<T>(r.b_h, g * r.H + p.unit, p.count);
        }
        for (int f = 0; f < F; ++f) prev[f] = load_before<T>(r, f, p);
        load_extras(r, p, extra);
        Cell::forward(a, u, prev, extra, next, saved);
        if (r.saved[0].data)
            for (int s = 0; s < S; ++s) store(at<T>(r.saved[s], p.row, p.unit), saved[s], p.count);
        for (int f = 0; f < F; ++f) store_made<T>(r, f, p, next[f], prev[f]);
    }

    static SUNHWAN_INLINE void backward(const Recurrence& r, const Place& p, const T* sums) {
        // d_initial carries what bypasses the product, from step to step.
        V d[F], carry[F];
        d[0] = load_carry<T>(r, 0, p) + dropped<T>(r, p, load(sums));
        if (p.t < 0) return store(at<T>(r.d_initial[0], r.H, p.n, p.unit), d[0], p.count);
        for (int f = 1; f < F; ++f) d[f] = load_carry<T>(r, f, p);
        V keep[F], saved[S + 1], prev[F], made[F], extra[E + 1], d_a[G], d_u[G], d_extra[E + 1];
        for (int f = 0; f < F; ++f) {
            d[f] += load_outside<T>(r, f, p);
            keep[f] = split_held<T>(r, f, p, d[f]);
            prev[f] = load_before<T>(r, f, p);
            made[f] = load_made<T>(r, f, p);
        }
        for (int s = 0; s < S; ++s) saved[s] = load(at<T>(r.saved[s], p.row, p.unit), p.count);
        load_extras(r, p, extra);
        Cell::backward(d, saved, prev, made, extra, d_a, d_u, carry, d_extra);
        for (int f = 0; f < F; ++f) carry[f] += keep[f];
        for (int g = 0; g < G; ++g) store(at<T>(r.d_a, p.row, g * r.H + p.unit), d_a[g], p.count);
        for (int g = D; g < G; ++g) store(at<T>(r.d_u, p.row, (g - D) * r.H + p.unit), d_u[g], p.count);
        for (int f = 0; f < F; ++f) store(at<T>(r.d_initial[f], r.H, p.n, p.unit), carry[f], p.count);
        for (int e = 0; e < E; ++e) add_extra<T>(r, 0, p.t, p.n, e * r.H + p.unit, d_extra[e], p.count);
    }
};

// A cell with a product.
template <class T, class Cell>
struct OneProductLoop {
    using U = Units<T, Cell>;
    static constexpr int L = kLanes<T>, G = Cell::gates, S = Cell::saved, D = Cell::shared_gates;

    static void forward(const Recurrence& r) {
        Panels<T, G> panels(r.W_h, r.H, r.H, r.threads, r.T);
        share_out(r, panels.bytes(), panels.once(), [&](const Share& share) {
            panels.pack(share);
            share.barrier.wait();
            const auto scratch = panels.scratch(share);
            for (int64_t t = 0; t < r.T; ++t) {
                const Step s(r, t);
                const auto h = recurrent_operand<T>(r, s, share);
                panels.multiply(
                    share, s.all(), &h, 1, scratch.get(),
                    [&](int64_t n, int v) {
                        for (int g = 0; g < G; ++g) prefetch(at<T>(r.a, s.first + n, g * r.H + v * L));
                    },
                    [&](int64_t n, int64_t end, int v, const T* sums, int64_t stride) {
                        U::forward(r, s, n, end, v, sums, stride);
                    });
                share.meet();
            }
        });
    }

    static void backward(const Recurrence& r) {
        // The same matrix read the other way: k runs over (gate, unit).
        Panels<T, 1> panels(transposed(r.W_h), G * r.H, r.H, r.threads, r.T - 1 + r.reaches_initial);
        share_out(r, panels.bytes(), panels.once(), [&](const Share& share) {
            panels.pack(share);
            share.barrier.wait();
            const auto scratch = panels.scratch(share);
            for (int64_t t = r.T - 1; t >= -r.reaches_initial; --t) {
                const Step s(r, t);
                // d u_{t+1}: the blocks it shares with d a, then those that differ.
                Operand<T> d_u[2];
                int count = 0;
                if (D > 0) d_u[count++] = {at<T>(r.d_a, s.after, 0), r.d_a.row, D * r.H};
                if (D < G) d_u[count++] = {at<T>(r.d_u, s.after, 0), r.d_u.row, (G - D) * r.H};
                backward_product(
                    panels, share, s, d_u, count, scratch.get(),
                    [&](int64_t n, int v) {
                        if (t < 0) return;
                        for (int k = 0; k < S; ++k) prefetch(at<T>(r.saved[k], s.first + n, v * L));
                        if (r.d_states[0].data) prefetch(at<T>(r.d_states[0], s.first + n, v * L));
                    },
                    [&](int64_t n, int64_t end, int v, const T* sums, int64_t stride) {
                        U::backward(r, s, n, end, v, sums, stride);
                    });
                if (t >= 0) share.meet();
            }
        });
    }

    static constexpr Kernel kernel(const char* name) { return U::kernel(name, G, forward, backward); }
};

// A cell without one: units are independent, so threads never synchronise. Its functor is given 0 for u.
template <class T, class Cell>
struct NoProductLoop {
    using U = Units<T, Cell>;
    static constexpr int L = kLanes<T>;

    static void forward(const Recurrence& r) {
        alignas(kBytes) const T none[Cell::gates * L] = {};
        each(r, [&](int64_t n, int64_t first, int64_t last) {
            for (int64_t t = 0; t < r.lengths[n]; ++t)
                for (int64_t v = first; v < last; ++v) U::forward(r, Step(r, t), n, n + 1, int(v), none, 0);
        });
    }

    static void backward(const Recurrence& r) {
        alignas(kBytes) const T none[L] = {};
        each(r, [&](int64_t n, int64_t first, int64_t last) {
            for (int64_t t = r.lengths[n] - 1; t >= -1; --t)
                for (int64_t v = first; v < last; ++v) U::backward(r, Step(r, t), n, n + 1, int(v), none, 0);
        });
    }

    static constexpr Kernel kernel(const char* name) { return U::kernel(name, 0, forward, backward); }

private:
    // A thread's share of the vectors of all rows: pieces of a row through all steps.
    template <class Body>
    static void each(const Recurrence& r, const Body& body) {
        parallel(int(r.threads), [&](int thread, Barrier&, int threads) {
            const int64_t units = (r.H + L - 1) / L;
            const Range own = part_of_steps(r, units, thread, threads);
            int64_t i = own.first;
            while (i < own.end) {
                const int64_t n = i / units, next = std::min(own.end, (n + 1) * units);
                body(n, i - n * units, next - n * units);
                i = next;
            }
        });
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
