// LSTM whose recurrent weights depend on the input.
// The equations stand in src/sunhwan/cells/lstm_multiplicative.py.
#pragma once

#include "../two_products.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
struct MultiplicativeLSTM {
    using V = Vec<T>;
    static constexpr int gates = 5, fields = 2, saved = 6, recurrent_gates = 1, second_gates = 4, shared_gates = 0,
                         second = 0, inner_first = 4, inner_last = 6, outer_fields = 2, inner_from = 2;

    static SUNHWAN_INLINE void inner(const V* a, const V* u, const V*, V*, V* m, V* keep) {
        keep[4] = a[4], keep[5] = u[0];
        m[0] = a[4] * u[0];
    }

    static SUNHWAN_INLINE void outer(const V* a, const V* w, const V* prev, V* next, V* keep) {
        const V i = sigmoid<T>(a[0] + w[0]), f = sigmoid<T>(a[1] + w[1]);
        const V g = tanh<T>(a[2] + w[2]), o = sigmoid<T>(a[3] + w[3]);
        next[1] = f * prev[1] + i * g;
        next[0] = o * tanh<T>(next[1]);
        keep[0] = i, keep[1] = f, keep[2] = g, keep[3] = o;
    }

    static SUNHWAN_INLINE void outer_backward(const V* d, const V* kept, const V* prev, const V* made, V* d_w,
                                              V* carry) {
        const V i = kept[0], f = kept[1], g = kept[2], o = kept[3], y = tanh<T>(made[1]);
        const V d_c = d[1] + d[0] * o * (T(1) - y * y);
        d_w[0] = d_c * g * i * (T(1) - i);
        d_w[1] = d_c * prev[1] * f * (T(1) - f);
        d_w[2] = d_c * i * (T(1) - g * g);
        d_w[3] = d[0] * y * o * (T(1) - o);
        carry[0] = V{};
        carry[1] = d_c * f;
    }

    static SUNHWAN_INLINE void inner_backward(const V*, const V* d_m, const V* kept, const V*, const V*,
                                              V* d_a, V* d_u, V*) {
        d_a[4] = d_m[0] * kept[5];
        d_u[0] = d_m[0] * kept[4];
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan

SUNHWAN_CELL("lstm_multiplicative", MultiplicativeLSTM, TwoProducts)
