// The antisymmetric network: extra[0] is the step of Euler's method.
// The equations stand in src/sunhwan/cells/antisymmetric.py.
#pragma once

#include "../one_product.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
struct Antisymmetric {
    using V = Vec<T>;
    static constexpr int gates = 1, fields = 1, saved = 1, extra = 0, shared_gates = 1;

    static SUNHWAN_INLINE void forward(const V* a, const V* u, const V* prev, const V* extra, V* next,
                                       V* keep) {
        keep[0] = tanh<T>(a[0] + u[0]);
        next[0] = prev[0] + extra[0] * keep[0];
    }

    static SUNHWAN_INLINE void backward(const V* d, const V* kept, const V*, const V*,
                                        const V* extra, V* d_a, V* d_u, V* d_prev, V*) {
        d_a[0] = d_u[0] = d[0] * extra[0] * (T(1) - kept[0] * kept[0]);
        d_prev[0] = d[0];
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan

SUNHWAN_CELL("antisymmetric", Antisymmetric, OneProductLoop)
