// GRU, the reset gate before the second product.
// The equations stand in src/sunhwan/cells/gru_reset_before.py.
#pragma once

#include "../two_products.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
struct GRUResetBefore {
    using V = Vec<T>;
    static constexpr int gates = 3, fields = 1, saved = 3, recurrent_gates = 2, second_gates = 1, shared_gates = 2,
                         second = 2, inner_first = 0, inner_last = 2, outer_fields = 1, inner_from = 0;

    static SUNHWAN_INLINE void inner(const V* a, const V* u, const V* prev, V*, V* m, V* keep) {
        keep[0] = sigmoid<T>(a[0] + u[0]), keep[1] = sigmoid<T>(a[1] + u[1]);
        m[0] = keep[0] * prev[0];
    }

    static SUNHWAN_INLINE void outer(const V* a, const V* w, const V* prev, V* next, V* keep) {
        keep[2] = tanh<T>(a[2] + w[0]);
        next[0] = keep[2] + keep[1] * (prev[0] - keep[2]);
    }

    static SUNHWAN_INLINE void outer_backward(const V* d, const V* kept, const V*, const V*, V* d_w, V* carry) {
        d_w[0] = d[0] * (T(1) - kept[1]) * (T(1) - kept[2] * kept[2]);
        carry[0] = d[0];  // for inner_backward
    }

    static SUNHWAN_INLINE void inner_backward(const V* carried, const V* d_m, const V* kept, const V* prev,
                                              const V*, V* d_a, V*, V* carry) {
        const V r = kept[0], z = kept[1], n = kept[2];
        d_a[0] = d_m[0] * prev[0] * r * (T(1) - r);
        d_a[1] = carried[0] * (prev[0] - n) * z * (T(1) - z);
        carry[0] = carried[0] * z + d_m[0] * r;
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan

SUNHWAN_CELL("gru_reset_before", GRUResetBefore, TwoProducts)
