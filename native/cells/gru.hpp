// GRU, the reset gate after the product. The equations stand in src/sunhwan/cells/gru.py.
#pragma once

#include "../one_product.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
struct GRU {
    using V = Vec<T>;
    static constexpr int gates = 3, fields = 1, saved = 4, extra = 0, shared_gates = 2;

    static SUNHWAN_INLINE void forward(const V* a, const V* u, const V* prev, const V*, V* next, V* keep) {
        const V r = sigmoid<T>(a[0] + u[0]), z = sigmoid<T>(a[1] + u[1]);
        const V n = tanh<T>(a[2] + r * u[2]);
        next[0] = n + z * (prev[0] - n);
        keep[0] = r, keep[1] = z, keep[2] = n, keep[3] = u[2];
    }

    static SUNHWAN_INLINE void backward(const V* d, const V* kept, const V* prev, const V*, const V*,
                                        V* d_a, V* d_u, V* d_prev, V*) {
        const V r = kept[0], z = kept[1], n = kept[2], u_n = kept[3];
        d_a[2] = d[0] * (T(1) - z) * (T(1) - n * n);
        d_u[2] = d_a[2] * r;
        d_a[0] = d_u[0] = d_a[2] * u_n * r * (T(1) - r);
        d_a[1] = d_u[1] = d[0] * (prev[0] - n) * z * (T(1) - z);
        d_prev[0] = d[0] * z;
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan

SUNHWAN_CELL("gru", GRU, OneProductLoop)
