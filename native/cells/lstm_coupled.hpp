// LSTM whose input gate is what the forget gate leaves.
// The equations stand in src/sunhwan/cells/lstm_coupled.py.
#pragma once

#include "../one_product.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
struct CoupledLSTM {
    using V = Vec<T>;
    static constexpr int gates = 3, fields = 2, saved = 3, extra = 0, shared_gates = 3;

    static SUNHWAN_INLINE void forward(const V* a, const V* u, const V* prev, const V*, V* next,
                                       V* keep) {
        const V f = sigmoid<T>(a[0] + u[0]), g = tanh<T>(a[1] + u[1]), o = sigmoid<T>(a[2] + u[2]);
        next[1] = g + f * (prev[1] - g);
        next[0] = o * tanh<T>(next[1]);
        keep[0] = f, keep[1] = g, keep[2] = o;
    }

    static SUNHWAN_INLINE void backward(const V* d, const V* kept, const V* prev, const V* made,
                                        const V*, V* d_a, V* d_u, V* d_prev, V*) {
        const V f = kept[0], g = kept[1], o = kept[2], y = tanh<T>(made[1]);
        const V d_c = d[1] + d[0] * o * (T(1) - y * y);
        d_a[0] = d_u[0] = d_c * (prev[1] - g) * f * (T(1) - f);
        d_a[1] = d_u[1] = d_c * (T(1) - f) * (T(1) - g * g);
        d_a[2] = d_u[2] = d[0] * y * o * (T(1) - o);
        d_prev[0] = V{};
        d_prev[1] = d_c * f;
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan

SUNHWAN_CELL("lstm_coupled", CoupledLSTM, OneProductLoop)
