// LSTM with layer normalisation. The equations stand in src/sunhwan/cells/lstm_layer_norm.py.
#pragma once

#include "../normalized.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
struct LayerNormLSTM {
    using V = Vec<T>;
    // Saved: i, f, g, o; u; mean and scale of u and of c. Extra: alpha_h, alpha_c, beta_c.
    static constexpr int gates = 4, fields = 2, saved = 6, product = 4, L = kLanes<T>;

    static void forward(const Recurrence& r, const Step& step, int64_t n) {
        const int64_t H = r.H, row = step.first + n;
        const T* u = at<T>(r.saved[4], row, 0);
        T* moments = at<T>(r.saved[5], row, 0);
        T* c = at<T>(r.hold[0].data ? r.made[1] : r.states[1], row, 0);
        const auto of_u = Moments<T>::of(u, 4 * H);
        for (int v = 0; v * L < H; ++v) {
            const Place p = place<T>(step, H, n, v);
            V s[4];
            for (int g = 0; g < 4; ++g) {
                const int64_t k = g * H + p.unit;
                s[g] = load(at<T>(r.a, row, k), p.count) +
                       load_extra<T>(r.extra[0], k, p.count) * of_u(load(u + k, p.count));
            }
            const V i = sigmoid<T>(s[0]), f = sigmoid<T>(s[1]), g = tanh<T>(s[2]), o = sigmoid<T>(s[3]);
            store(c + p.unit, f * load_before<T>(r, 1, p) + i * g, p.count);
            const V keep[4] = {i, f, g, o};
            for (int k = 0; k < 4; ++k) store(at<T>(r.saved[k], row, p.unit), keep[k], p.count);
        }
        const auto of_c = Moments<T>::of(c, H);
        moments[0] = of_u.mean, moments[1] = of_u.scale, moments[2] = of_c.mean, moments[3] = of_c.scale;
        for (int v = 0; v * L < H; ++v) {
            const Place p = place<T>(step, H, n, v);
            const V made = load(c + p.unit, p.count), o = load(at<T>(r.saved[3], row, p.unit), p.count);
            const V y = load_extra<T>(r.extra[1], p.unit, p.count) * of_c(made) +
                        load_extra<T>(r.extra[2], p.unit, p.count);
            store_made<T>(r, 0, p, o * tanh<T>(y), load_before<T>(r, 0, p));
            store_made<T>(r, 1, p, made, load_before<T>(r, 1, p));
        }
    }

    static void backward(const Recurrence& r, const Step& step, int64_t n) {
        const int64_t H = r.H, row = step.first + n;
        const T* u = at<T>(r.saved[4], row, 0);
        const T* moments = at<T>(r.saved[5], row, 0);
        const Moments<T> of_u{moments[0], moments[1]}, of_c{moments[2], moments[3]};
        T* d_u = at<T>(r.d_u, row, 0);  // for a while: its first block holds d y times the gain
        BackwardMoments<T> by_c, by_u;
        for (int v = 0; v * L < H; ++v) {
            const Place p = place<T>(step, H, n, v);
            V d_h = load_carry<T>(r, 0, p) + load_outside<T>(r, 0, p);
            store(at<T>(r.d_initial[0], H, n, p.unit), split_held<T>(r, 0, p, d_h), p.count);
            const V normal = of_c(load_made<T>(r, 1, p)), o = load(at<T>(r.saved[3], row, p.unit), p.count);
            const V gain = load_extra<T>(r.extra[1], p.unit, p.count);
            const V y = tanh<T>(gain * normal + load_extra<T>(r.extra[2], p.unit, p.count));
            const V d_y = d_h * o * (T(1) - y * y);
            store(d_u + p.unit, d_y * gain, p.count);
            store(at<T>(r.d_a, row, 3 * H + p.unit), d_h * y * o * (T(1) - o), p.count);
            by_c.add(d_y * gain, normal, p.count);
            add_extra<T>(r, 1, step.t, n, p.unit, d_y * normal, p.count);
            add_extra<T>(r, 2, step.t, n, p.unit, d_y, p.count);
        }
        by_c.close(H);
        for (int v = 0; v * L < H; ++v) {
            const Place p = place<T>(step, H, n, v);
            V d_c = load_carry<T>(r, 1, p) + load_outside<T>(r, 1, p);
            const V held = split_held<T>(r, 1, p, d_c);
            d_c += by_c(load(d_u + p.unit, p.count), of_c(load_made<T>(r, 1, p)), of_c.scale);
            V s[4], d[4];
            for (int g = 0; g < 4; ++g) s[g] = load(at<T>(r.saved[g], row, p.unit), p.count);
            d[0] = d_c * s[2] * s[0] * (T(1) - s[0]);
            d[1] = d_c * load_before<T>(r, 1, p) * s[1] * (T(1) - s[1]);
            d[2] = d_c * s[0] * (T(1) - s[2] * s[2]);
            d[3] = load(at<T>(r.d_a, row, 3 * H + p.unit), p.count);
            store(at<T>(r.d_initial[1], H, n, p.unit), d_c * s[1] + held, p.count);
            for (int g = 0; g < 4; ++g) {
                const int64_t k = g * H + p.unit;
                const V normal = of_u(load(u + k, p.count));
                const V scaled = d[g] * load_extra<T>(r.extra[0], k, p.count);
                store(at<T>(r.d_a, row, k), d[g], p.count);
                store(d_u + k, scaled, p.count);
                by_u.add(scaled, normal, p.count);
                add_extra<T>(r, 0, step.t, n, k, d[g] * normal, p.count);
            }
        }
        by_u.close(4 * H);
        for (int64_t k = 0; k < 4 * H; k += L) {
            const int count = int(std::min<int64_t>(L, 4 * H - k));
            store(d_u + k, by_u(load(d_u + k, count), of_u(load(u + k, count)), of_u.scale), count);
        }
    }
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan

SUNHWAN_CELL("lstm_layer_norm", LayerNormLSTM, Normalized)
