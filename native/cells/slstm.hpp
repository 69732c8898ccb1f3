// sLSTM, its state h, c, n and the stabiliser m. The equations stand in src/sunhwan/cells/slstm.py.
#pragma once

#include "../one_product.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
struct SLSTM {
    using V = Vec<T>;
    static constexpr int gates = 4, fields = 4, saved = 5, extra = 0, shared_gates = 4;

    static SUNHWAN_INLINE void forward(const V* a, const V* u, const V* prev, const V*, V* next,
                                       V* keep) {
        const V s_i = a[0] + u[0], s_f = a[1] + u[1], z = tanh<T>(a[2] + u[2]), o = sigmoid<T>(a[3] + u[3]);
        // Where nothing was written yet there is nothing to keep.
        const V past = prev[2] == T(0) ? broadcast<T>(T(-__builtin_inf())) : log_sigmoid<T>(s_f) + prev[3];
        const V m = maximum<T>(past, s_i), i = exponential<T>(s_i - m), f = exponential<T>(past - m);
        next[1] = f * prev[1] + i * z;
        next[2] = f * prev[2] + i;
        next[3] = m;
        next[0] = o * next[1] / next[2];
        keep[0] = i, keep[1] = f, keep[2] = z, keep[3] = o, keep[4] = sigmoid<T>(-s_f);
    }

    static SUNHWAN_INLINE void backward(const V* d, const V* kept, const V* prev, const V* made,
                                        const V*, V* d_a, V* d_u, V* d_prev, V*) {
        const V i = kept[0], f = kept[1], z = kept[2], o = kept[3], mean = made[1] / made[2];
        const V d_c = d[1] + d[0] * o / made[2], d_n = d[2] - d[0] * o * mean / made[2];
        // The way of d m: through f where m is new, through i where it is that of the past.
        const auto old = i < T(1);
        const V to_c = old ? -z * i : prev[1] * f, to_n = old ? -i : prev[2] * f;
        const V d_past = (old ? d[3] : V{}) + d_c * to_c + d_n * to_n;
        d_a[0] = d_u[0] = d[3] - d_past;
        d_a[1] = d_u[1] = d_past * kept[4];
        d_a[2] = d_u[2] = d_c * i * (T(1) - z * z);
        d_a[3] = d_u[3] = d[0] * mean * o * (T(1) - o);
        d_prev[0] = V{};
        d_prev[1] = d_c * f;
        d_prev[2] = d_n * f;
        d_prev[3] = d_past;
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan

SUNHWAN_CELL("slstm", SLSTM, OneProductLoop)
