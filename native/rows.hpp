// A recurrence shared out by rows instead of units.
//
// Units are the faster way: each thread keeps its part of W_h near. But threads then meet at every
// step, and on a crowded machine one of them is always away. Rows never meet, and a number is the
// same to the bit either way.
#pragma once

#include <chrono>

#include "problem.hpp"
#include "threads.hpp"

namespace sunhwan {

// The rows from `first` to `end` as a recurrence of their own, for one thread.
inline Recurrence rows_of(const Recurrence& whole, int64_t number_size, int64_t first, int64_t end) {
    Recurrence r = whole;
    const auto move = [&](auto& data, int64_t row) {
        if (data) data = (char*)data + first * row * number_size;
    };
    r.N = end - first;
    r.threads = 1;
    for (auto* series : {&r.a, &r.operand, &r.m, &r.d_a, &r.d_u, &r.d_w}) move(series->data, series->row);
    for (auto& series : r.saved) move(series.data, series.row);
    for (int f = 0; f < kFields; ++f) {
        for (auto* series : {&r.states[f], &r.made[f], &r.hold[f], &r.d_states[f]})
            move(series->data, series->row);
        move(r.initial[f], r.field_size[f]);
        move(r.d_last[f], r.field_size[f]);
        move(r.d_initial[f], r.field_size[f]);
    }
    move(r.drop, r.P);
    for (int e = 0; e < kExtra; ++e) move(r.d_extra[e], 2 * r.extra_size[e]);
    return r;
}

// How many more passes of this process are shared out by rows.
inline std::atomic<int64_t> passes_by_rows{0};

// Run a pass: by units, but by rows for a while after threads had waited for each other for more than
// a quarter of one.
inline void run(Pass pass, int64_t number_size, const Recurrence& r) {
    constexpr int kWhile = 32;
    using Clock = std::chrono::steady_clock;
    const int threads = int(r.threads < r.N ? r.threads : r.N);
    if (threads > 1 && passes_by_rows.load(std::memory_order_relaxed) > 0) {
        passes_by_rows.fetch_sub(1, std::memory_order_relaxed);
        return parallel(threads, [&](int thread, Barrier&, int all) {
            pass(rows_of(r, number_size, r.N * thread / all, r.N * (thread + 1) / all));
        });
    }
    const double before = waited();
    const auto begun = Clock::now();
    pass(r);
    const std::chrono::duration<double> lasted = Clock::now() - begun;
    if (waited() - before > lasted.count() / 4) passes_by_rows.store(kWhile, std::memory_order_relaxed);
}

}  // namespace sunhwan
