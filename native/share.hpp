// How threads share a recurrence out.
//
// By rows: a thread takes some rows through the whole sequence, and rows never meet. By units, where
// rows are few: a thread has its part of the weights near, and threads meet at every step, where the
// next product needs every unit. A number is the same to the bit either way.
#pragma once

#include "problem.hpp"
#include "threads.hpp"

namespace sunhwan {

struct Range {
    int64_t first, end;

    int64_t count() const { return end - first; }
};

inline Range part_of(int64_t count, int thread, int threads) {
    return {count * thread / threads, count * (thread + 1) / threads};
}

// A thread's share.
struct Share {
    Barrier& barrier;
    int thread, threads;
    bool by_rows;
    int64_t N;

    // Of things that each take a row of its own, whichever way products are shared.
    Range own_rows() const { return part_of(N, thread, threads); }
    // Of products.
    Range rows() const { return by_rows ? own_rows() : Range{0, N}; }
    Range units(int64_t count) const { return by_rows ? Range{0, count} : part_of(count, thread, threads); }

    // Wait until the others' units are there.
    void meet() const {
        if (!by_rows) barrier.wait();
    }
};

// body(share) on the threads of a recurrence whose products read `bytes` of weights at every step. By
// rows every thread reads them all: few rows are worth that only where the weights are near.
template <class Body>
void share_out(const Recurrence& r, int64_t bytes, const Body& body) {
    constexpr int64_t kNear = 512 << 10, kFew = 6, kMany = 16;
    const bool by_rows = r.N >= r.threads * (bytes <= kNear ? kFew : kMany);
    parallel(int(r.threads), [&](int thread, Barrier& barrier, int threads) {
        body(Share{barrier, thread, threads, by_rows, r.N});
    });
}

}  // namespace sunhwan
