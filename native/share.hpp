// How threads share a recurrence out.
//
// By rows: a thread takes some rows through the whole sequence, and rows are independent. By units, where
// rows are few: a thread has its part of the weights near, and threads synchronise at every step, where the
// next product needs every unit. A number is the same to the bit either way.
#pragma once

#include <algorithm>

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

inline Range common(Range a, Range b) {
    const int64_t first = std::max(a.first, b.first);
    return {first, std::max(first, std::min(a.end, b.end))};
}

// Of all rows, of `pieces` pieces each, those before which `thread` of `threads` parts of the steps lie.
inline int64_t pieces_before(const Recurrence& r, int64_t pieces, int thread, int threads) {
    int64_t n = 0, left = r.start[r.T] * pieces * thread;
    for (; n < r.N && left >= r.lengths[n] * pieces * threads; ++n) left -= r.lengths[n] * pieces * threads;
    return n * pieces + (n < r.N ? left / (r.lengths[n] * threads) : 0);
}

// A thread's part of the pieces of all rows, so that each has as many steps.
inline Range part_of_steps(const Recurrence& r, int64_t pieces, int thread, int threads) {
    return {pieces_before(r, pieces, thread, threads), pieces_before(r, pieces, thread + 1, threads)};
}

// A thread's share.
struct Share {
    Barrier& barrier;
    int thread, threads;
    bool by_rows;
    int64_t N;
    Range own;  // by rows: those it takes through the whole sequence

    // Of the first `count` rows, where each is a thing of its own, whichever way products are shared.
    Range own_rows(int64_t count) const {
        return by_rows ? common(own, {0, count}) : part_of(count, thread, threads);
    }
    // Of the products of some rows.
    Range rows(Range of) const { return by_rows ? common(own, of) : of; }
    Range units(int64_t count) const { return by_rows ? Range{0, count} : part_of(count, thread, threads); }

    // Wait until the others' units are there.
    void meet() const {
        if (!by_rows) barrier.wait();
    }
};

// body(share) on the threads of a recurrence whose products read `bytes` of weights at every step. By
// rows every thread reads them all: few rows are worth that only where the weights are near, and none
// where they are packed as they are read.
template <class Body>
void share_out(const Recurrence& r, int64_t bytes, bool once, const Body& body) {
    constexpr int64_t kNear = 512 << 10, kFew = 6, kMany = 16;
    // Of a step in the middle.
    const bool by_rows = !once && r.start[r.T] >= r.T * r.threads * (bytes <= kNear ? kFew : kMany);
    parallel(int(r.threads), [&](int thread, Barrier& barrier, int threads) {
        body(Share{barrier, thread, threads, by_rows, r.N, part_of_steps(r, 1, thread, threads)});
    });
}

}  // namespace sunhwan
