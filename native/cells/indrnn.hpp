// The independently recurrent network: extra[0] is w_h.
// The equations stand in src/sunhwan/cells/indrnn.py.
#pragma once

#include "../one_product.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
struct IndRNN {
    using V = Vec<T>;
    static constexpr int gates = 1, fields = 1, saved = 0, extra = 1, shared_gates = 1;

    static SUNHWAN_INLINE void forward(const V* a, const V*, const V* prev, const V* extra, V* next, V*) {
        const V s = a[0] + extra[0] * prev[0];
        next[0] = s < T(0) ? V{} : s;  // a NaN stays one
    }

    static SUNHWAN_INLINE void backward(const V* d, const V*, const V* prev, const V* made, const V* extra,
                                        V* d_a, V* d_u, V* d_prev, V* d_extra) {
        d_a[0] = d_u[0] = made[0] > T(0) ? d[0] : V{};
        d_prev[0] = d_a[0] * extra[0];
        d_extra[0] = d_a[0] * prev[0];
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan

SUNHWAN_CELL("indrnn", IndRNN, NoProductLoop)
