// LSTM whose gates see the cell state, through extra = p of i, f and o.
// The equations stand in src/sunhwan/cells/lstm_peephole.py.
#pragma once

#include "../one_product.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
struct PeepholeLSTM {
    using V = Vec<T>;
    static constexpr int gates = 4, fields = 2, saved = 4, extra = 3, shared_gates = 4;

    static SUNHWAN_INLINE void forward(const V* a, const V* u, const V* prev, const V* extra, V* next,
                                       V* keep) {
        const V i = sigmoid<T>(a[0] + u[0] + extra[0] * prev[1]);
        const V f = sigmoid<T>(a[1] + u[1] + extra[1] * prev[1]);
        const V g = tanh<T>(a[2] + u[2]);
        next[1] = f * prev[1] + i * g;
        const V o = sigmoid<T>(a[3] + u[3] + extra[2] * next[1]);
        next[0] = o * tanh<T>(next[1]);
        keep[0] = i, keep[1] = f, keep[2] = g, keep[3] = o;
    }

    static SUNHWAN_INLINE void backward(const V* d, const V* kept, const V* prev, const V* made,
                                        const V* extra, V* d_a, V* d_u, V* d_prev, V* d_extra) {
        const V i = kept[0], f = kept[1], g = kept[2], o = kept[3], y = tanh<T>(made[1]);
        d_a[3] = d_u[3] = d[0] * y * o * (T(1) - o);
        const V d_c = d[1] + d[0] * o * (T(1) - y * y) + d_a[3] * extra[2];
        d_a[0] = d_u[0] = d_c * g * i * (T(1) - i);
        d_a[1] = d_u[1] = d_c * prev[1] * f * (T(1) - f);
        d_a[2] = d_u[2] = d_c * i * (T(1) - g * g);
        d_prev[0] = V{};
        d_prev[1] = d_c * f + d_a[0] * extra[0] + d_a[1] * extra[1];
        d_extra[0] = d_a[0] * prev[1], d_extra[1] = d_a[1] * prev[1], d_extra[2] = d_a[3] * made[1];
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan

SUNHWAN_CELL("lstm_peephole", PeepholeLSTM, OneProductLoop)
