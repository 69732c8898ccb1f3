// minGRU. The equations stand in src/sunhwan/cells/mingru.py.
#pragma once

#include "../one_product.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
struct MinGRU {
    using V = Vec<T>;
    static constexpr int gates = 2, fields = 1, saved = 2, extra = 0, shared_gates = 2;

    static SUNHWAN_INLINE void forward(const V* a, const V*, const V* prev, const V*, V* next, V* keep) {
        const V z = sigmoid<T>(a[0]);
        next[0] = (T(1) - z) * prev[0] + z * a[1];
        keep[0] = z, keep[1] = a[1];
    }

    static SUNHWAN_INLINE void backward(const V* d, const V* kept, const V* prev, const V*, const V*, V* d_a,
                                        V* d_u, V* d_prev, V*) {
        const V z = kept[0], n = kept[1];
        d_a[0] = d_u[0] = d[0] * (n - prev[0]) * z * (T(1) - z);
        d_a[1] = d_u[1] = d[0] * z;
        d_prev[0] = d[0] * (T(1) - z);
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan

SUNHWAN_CELL("mingru", MinGRU, NoProductLoop)
