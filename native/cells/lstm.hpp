// LSTM. The equations stand in src/sunhwan/cells/lstm.py.
#pragma once

#include "../one_product.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
struct LSTM {
    using V = Vec<T>;
    static constexpr int gates = 4, fields = 2, saved = 4, extra = 0, shared_gates = 4;

    static SUNHWAN_INLINE void forward(const V* a, const V* u, const V* prev, const V*, V* next, V* keep) {
        const V i = sigmoid<T>(a[0] + u[0]), f = sigmoid<T>(a[1] + u[1]);
        const V g = tanh<T>(a[2] + u[2]), o = sigmoid<T>(a[3] + u[3]);
        next[1] = f * prev[1] + i * g;
        next[0] = o * tanh<T>(next[1]);
        keep[0] = i, keep[1] = f, keep[2] = g, keep[3] = o;
    }

    static SUNHWAN_INLINE void backward(const V* d, const V* kept, const V* prev, const V* made, const V*,
                                        V* d_a, V* d_u, V* d_prev, V*) {
        const V i = kept[0], f = kept[1], g = kept[2], o = kept[3], y = tanh<T>(made[1]);
        const V d_c = d[1] + d[0] * o * (T(1) - y * y);
        d_a[0] = d_u[0] = d_c * g * i * (T(1) - i);
        d_a[1] = d_u[1] = d_c * prev[1] * f * (T(1) - f);
        d_a[2] = d_u[2] = d_c * i * (T(1) - g * g);
        d_a[3] = d_u[3] = d[0] * y * o * (T(1) - o);
        d_prev[0] = V{};
        d_prev[1] = d_c * f;
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan

SUNHWAN_CELL("lstm", LSTM, OneProductLoop)
