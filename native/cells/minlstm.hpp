// minLSTM. The equations stand in src/sunhwan/cells/minlstm.py.
#pragma once

#include "../one_product.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
struct MinLSTM {
    using V = Vec<T>;
    static constexpr int gates = 3, fields = 1, saved = 4, extra = 0, shared_gates = 3;

    static SUNHWAN_INLINE void forward(const V* a, const V*, const V* prev, const V*, V* next, V* keep) {
        const V share = sigmoid<T>(log_sigmoid<T>(a[0]) - log_sigmoid<T>(a[1]));
        next[0] = share * prev[0] + (T(1) - share) * a[2];
        keep[0] = sigmoid<T>(a[0]), keep[1] = sigmoid<T>(a[1]), keep[2] = a[2], keep[3] = share;
    }

    static SUNHWAN_INLINE void backward(const V* d, const V* kept, const V* prev, const V*, const V*, V* d_a,
                                        V* d_u, V* d_prev, V*) {
        const V f = kept[0], i = kept[1], n = kept[2], share = kept[3];
        const V d_ratio = d[0] * (prev[0] - n) * share * (T(1) - share);
        d_a[0] = d_u[0] = d_ratio * (T(1) - f);
        d_a[1] = d_u[1] = -d_ratio * (T(1) - i);
        d_a[2] = d_u[2] = d[0] * (T(1) - share);
        d_prev[0] = d[0] * share;
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan

SUNHWAN_CELL("minlstm", MinLSTM, NoProductLoop)
