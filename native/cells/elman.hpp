// Elman's network with tanh, ReLU or the logistic sigmoid. The equations stand in src/sunhwan/cells/elman.py.
#pragma once

#include "../one_product.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
struct Elman {
    using V = Vec<T>;
    static constexpr int gates = 1, fields = 1, saved = 0, extra = 0, shared_gates = 1;

    static SUNHWAN_INLINE void forward(const V* a, const V* u, const V*, const V*, V* next, V*) {
        next[0] = tanh<T>(a[0] + u[0]);
    }

    static SUNHWAN_INLINE void backward(const V* d, const V*, const V*, const V* made, const V*, V* d_a,
                                        V* d_u, V* d_prev, V*) {
        d_a[0] = d_u[0] = d[0] * (T(1) - made[0] * made[0]);
        d_prev[0] = V{};
    }
};

template <class T>
struct ElmanReLU : Elman<T> {
    using V = Vec<T>;

    static SUNHWAN_INLINE void forward(const V* a, const V* u, const V*, const V*, V* next, V*) {
        const V s = a[0] + u[0];
        next[0] = s < T(0) ? V{} : s;  // a NaN stays one
    }

    static SUNHWAN_INLINE void backward(const V* d, const V*, const V*, const V* made, const V*, V* d_a,
                                        V* d_u, V* d_prev, V*) {
        d_a[0] = d_u[0] = made[0] > T(0) ? d[0] : V{};
        d_prev[0] = V{};
    }
};

template <class T>
struct ElmanSigmoid : Elman<T> {
    using V = Vec<T>;

    static SUNHWAN_INLINE void forward(const V* a, const V* u, const V*, const V*, V* next, V*) {
        next[0] = sigmoid<T>(a[0] + u[0]);
    }

    static SUNHWAN_INLINE void backward(const V* d, const V*, const V*, const V* made, const V*, V* d_a,
                                        V* d_u, V* d_prev, V*) {
        d_a[0] = d_u[0] = d[0] * made[0] * (T(1) - made[0]);
        d_prev[0] = V{};
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan

SUNHWAN_CELL("elman", Elman, OneProductLoop)
SUNHWAN_CELL("elman_relu", ElmanReLU, OneProductLoop)
SUNHWAN_CELL("elman_sigmoid", ElmanSigmoid, OneProductLoop)
SUNHWAN_CELL("irnn", ElmanReLU, OneProductLoop)
