// LSTM whose hidden state is a projection of what its memory gives.
// The equations stand in src/sunhwan/cells/lstm_projected.py.
#pragma once

#include "../two_products.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
struct ProjectedLSTM {
    using V = Vec<T>;
    static constexpr int gates = 4, fields = 2, saved = 4, recurrent_gates = 4, second_gates = 1, shared_gates = 4,
                         second = -1, inner_first = 0, inner_last = 4, outer_fields = 1, inner_from = 1;

    static SUNHWAN_INLINE void inner(const V* a, const V* u, const V* prev, V* next, V* m, V* keep) {
        const V i = sigmoid<T>(a[0] + u[0]), f = sigmoid<T>(a[1] + u[1]);
        const V g = tanh<T>(a[2] + u[2]), o = sigmoid<T>(a[3] + u[3]);
        next[1] = f * prev[1] + i * g;
        m[0] = o * tanh<T>(next[1]);
        keep[0] = i, keep[1] = f, keep[2] = g, keep[3] = o;
    }

    static SUNHWAN_INLINE void outer(const V*, const V* w, const V*, V* next, V*) { next[0] = w[0]; }

    static SUNHWAN_INLINE void outer_backward(const V* d, const V*, const V*, const V*, V* d_w, V* carry) {
        d_w[0] = d[0];
        carry[0] = V{};
    }

    static SUNHWAN_INLINE void inner_backward(const V* carried, const V* d_m, const V* kept, const V* prev,
                                              const V* made, V* d_a, V*, V* carry) {
        const V i = kept[0], f = kept[1], g = kept[2], o = kept[3], y = tanh<T>(made[1]);
        const V d_c = carried[1] + d_m[0] * o * (T(1) - y * y);
        d_a[0] = d_c * g * i * (T(1) - i);
        d_a[1] = d_c * prev[1] * f * (T(1) - f);
        d_a[2] = d_c * i * (T(1) - g * g);
        d_a[3] = d_m[0] * y * o * (T(1) - o);
        carry[1] = d_c * f;
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan

SUNHWAN_CELL("lstm_projected", ProjectedLSTM, TwoProducts)
