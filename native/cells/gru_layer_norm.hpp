// GRU with layer normalisation. The equations stand in src/sunhwan/cells/gru_layer_norm.py.
#pragma once

#include "../normalized.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
struct LayerNormGRU {
    using V = Vec<T>;
    // Saved: r, z, n; u; mean and scale of its gates and of its candidate. Extra: alpha_h, beta_n.
    static constexpr int gates = 3, fields = 1, saved = 5, product = 3, L = kLanes<T>;

    static void forward(const Recurrence& r, const Step& step, int64_t n) {
        const int64_t H = r.H, row = step.first + n;
        const T* u = at<T>(r.saved[3], row, 0);
        T* moments = at<T>(r.saved[4], row, 0);
        const auto of_rz = Moments<T>::of(u, 2 * H), of_n = Moments<T>::of(u + 2 * H, H);
        moments[0] = of_rz.mean, moments[1] = of_rz.scale, moments[2] = of_n.mean, moments[3] = of_n.scale;
        for (int v = 0; v * L < H; ++v) {
            const Place p = place<T>(step, H, n, v);
            V a[3], y[3];
            for (int g = 0; g < 3; ++g) {
                const int64_t k = g * H + p.unit;
                a[g] = load(at<T>(r.a, row, k), p.count);
                y[g] = load_extra<T>(r.extra[0], k, p.count) * (g < 2 ? of_rz : of_n)(load(u + k, p.count));
            }
            y[2] += load_extra<T>(r.extra[1], p.unit, p.count);
            const V before = load_before<T>(r, 0, p);
            const V reset = sigmoid<T>(a[0] + y[0]), z = sigmoid<T>(a[1] + y[1]), m = tanh<T>(a[2] + reset * y[2]);
            const V keep[3] = {reset, z, m};
            for (int k = 0; k < 3; ++k) store(at<T>(r.saved[k], row, p.unit), keep[k], p.count);
            store_made<T>(r, 0, p, m + z * (before - m), before);
        }
    }

    static void backward(const Recurrence& r, const Step& step, int64_t n) {
        const int64_t H = r.H, row = step.first + n;
        const T* u = at<T>(r.saved[3], row, 0);
        const T* moments = at<T>(r.saved[4], row, 0);
        const Moments<T> of_rz{moments[0], moments[1]}, of_n{moments[2], moments[3]};
        T* d_u = at<T>(r.d_u, row, 0);
        BackwardMoments<T> by_rz, by_n;
        for (int v = 0; v * L < H; ++v) {
            const Place p = place<T>(step, H, n, v);
            V d_h = load_carry<T>(r, 0, p) + load_outside<T>(r, 0, p);
            const V held = split_held<T>(r, 0, p, d_h), before = load_before<T>(r, 0, p);
            V s[3], normal[3], gain[3];
            for (int g = 0; g < 3; ++g) {
                const int64_t k = g * H + p.unit;
                s[g] = load(at<T>(r.saved[g], row, p.unit), p.count);
                gain[g] = load_extra<T>(r.extra[0], k, p.count);
                normal[g] = (g < 2 ? of_rz : of_n)(load(u + k, p.count));
            }
            const V y_n = gain[2] * normal[2] + load_extra<T>(r.extra[1], p.unit, p.count);
            const V d_n = d_h * (T(1) - s[1]) * (T(1) - s[2] * s[2]);
            const V d[3] = {d_n * y_n * s[0] * (T(1) - s[0]), d_h * (before - s[2]) * s[1] * (T(1) - s[1]),
                            d_n * s[0]};
            store(at<T>(r.d_initial[0], H, n, p.unit), d_h * s[1] + held, p.count);
            for (int g = 0; g < 3; ++g) {
                const int64_t k = g * H + p.unit;
                store(at<T>(r.d_a, row, k), g < 2 ? d[g] : d_n, p.count);
                store(d_u + k, d[g] * gain[g], p.count);
                (g < 2 ? by_rz : by_n).add(d[g] * gain[g], normal[g], p.count);
                add_extra<T>(r, 0, step.t, n, k, d[g] * normal[g], p.count);
            }
            add_extra<T>(r, 1, step.t, n, p.unit, d[2], p.count);
        }
        by_rz.close(2 * H), by_n.close(H);
        for (int v = 0; v * L < H; ++v) {
            const Place p = place<T>(step, H, n, v);
            for (int g = 0; g < 3; ++g) {
                const int64_t k = g * H + p.unit;
                const auto& of = g < 2 ? of_rz : of_n;
                const V d = (g < 2 ? by_rz : by_n)(load(d_u + k, p.count), of(load(u + k, p.count)), of.scale);
                store(d_u + k, d, p.count);
            }
        }
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan

SUNHWAN_CELL("gru_layer_norm", LayerNormGRU, Normalized)
