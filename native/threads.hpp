// A parallel region for a whole sequence, and the barrier between its steps.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>

namespace sunhwan {

// Threads wait for each other: briefly by spinning, then by giving the processor away, for another
// process may be running where the other thread should.
class Barrier {
public:
    explicit Barrier(int threads) : threads_(threads) {}
    void wait();

    // Of the time since it was made, the share that threads lost in long waits, all together. A few
    // milliseconds may be lost anywhere: they count as none.
    double lost() const;

private:
    using Clock = std::chrono::steady_clock;

    const int threads_;
    const Clock::time_point made_ = Clock::now();
    std::atomic<int64_t> lost_{0};  // nanoseconds
    alignas(64) std::atomic<int> arrived_{0};
    alignas(64) std::atomic<uint32_t> generation_{0};
};

// The entry of the process's OpenMP runtime: GOMP_parallel, omp_get_thread_num and
// omp_get_num_threads. Its idle threads spin for work, so a second pool beside them would have to
// share their cores. Without it the library keeps threads of its own.
void use_openmp(void* parallel, void* thread_num, void* num_threads);

// body(thread, barrier, threads) on `threads` threads, or fewer where there are fewer.
void parallel(int threads, const std::function<void(int, Barrier&, int)>& body);

}  // namespace sunhwan
