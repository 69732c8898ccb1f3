// The real-gated linear recurrent unit: extra[0] is its decay.
// The equations stand in src/sunhwan/cells/rglru.py.
#pragma once

#include "../one_product.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
struct RGLRU {
    using V = Vec<T>;
    static constexpr int gates = 3, fields = 1, saved = 3, extra = 1, shared_gates = 3;

    static SUNHWAN_INLINE void forward(const V* a, const V*, const V* prev, const V* extra, V* next,
                                       V* keep) {
        const V r = sigmoid<T>(a[0]), i = sigmoid<T>(a[1]), log_f = T(8) * log_sigmoid<T>(extra[0]) * r;
        next[0] = exponential<T>(log_f) * prev[0] + root(log_f) * i * a[2];
        keep[0] = r, keep[1] = i, keep[2] = a[2];
    }

    static SUNHWAN_INLINE void backward(const V* d, const V* kept, const V* prev, const V*, const V* extra,
                                        V* d_a, V* d_u, V* d_prev, V* d_extra) {
        const V r = kept[0], i = kept[1], n = kept[2], slope = T(8) * log_sigmoid<T>(extra[0]);
        const V log_f = slope * r, f = exponential<T>(log_f), w = root(log_f);
        const V d_log_f = d[0] * (prev[0] * f - i * n * f * f / w);
        d_a[0] = d_u[0] = d_log_f * slope * r * (T(1) - r);
        d_a[1] = d_u[1] = d[0] * w * n * i * (T(1) - i);
        d_a[2] = d_u[2] = d[0] * w * i;
        d_prev[0] = d[0] * f;
        d_extra[0] = d_log_f * T(8) * r * sigmoid<T>(-extra[0]);
    }

    // sqrt(1 - f^2), not below that of the smallest number: its slope must stay finite.
    static SUNHWAN_INLINE V root(V log_f) {
        V square = -expm1<T>(log_f + log_f);
        square = square < Format<T>::tiny ? broadcast<T>(Format<T>::tiny) : square;
        return square_root<T>(square);
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan

SUNHWAN_CELL("rglru", RGLRU, NoProductLoop)
