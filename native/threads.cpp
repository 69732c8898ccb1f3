#include "threads.hpp"

#if !defined(_WIN32)
#include <pthread.h>
#endif

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

namespace sunhwan {

namespace {

// A wait is shorter than this unless another process runs where the other thread should, or a step is
// long.
constexpr int kSpins = 2000;

inline void pause() {
#if defined(__x86_64__) || defined(_M_X64)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

using Body = std::function<void(int, Barrier&, int)>;

struct OpenMP {
    void (*parallel)(void (*)(void*), void*, unsigned, unsigned) = nullptr;
    int (*thread_num)() = nullptr;
    int (*num_threads)() = nullptr;
} openmp;

// Where there is no OpenMP: threads that wait for work as long as the process lives, one caller at a
// time.
class Pool {
public:
    void run(int threads, const Body& body) {
        std::lock_guard<std::mutex> one(caller_);
        Barrier barrier(threads);
        {
            std::lock_guard<std::mutex> lock(mutex_);
            while (workers_ < threads - 1) {
                const int id = workers_ + 1;
                std::thread([this, id, seen = round_] { work(id, seen); }).detach();
                workers_ = id;
            }
            body_ = &body, barrier_ = &barrier, threads_ = threads, left_ = threads - 1;
            ++round_;
        }
        wake_.notify_all();
        body(0, barrier, threads);
        std::unique_lock<std::mutex> lock(mutex_);
        done_.wait(lock, [this] { return left_ == 0; });
    }

private:
    void work(int id, uint64_t seen) {
        for (;;) {
            std::unique_lock<std::mutex> lock(mutex_);
            wake_.wait(lock, [&] { return round_ != seen; });
            seen = round_;
            if (id >= threads_) continue;
            lock.unlock();
            (*body_)(id, *barrier_, threads_);
            lock.lock();
            if (--left_ == 0) done_.notify_one();
        }
    }

    std::mutex caller_, mutex_;
    std::condition_variable wake_, done_;
    const Body* body_ = nullptr;
    Barrier* barrier_ = nullptr;
    int workers_ = 0, threads_ = 0, left_ = 0;
    uint64_t round_ = 0;
};

std::atomic<Pool*> pool_of_process{nullptr};

// The child of a fork has none of its parent's threads: it begins with a pool of its own.
Pool& pool() {
    static std::once_flag once;
    std::call_once(once, [] {
        pool_of_process = new Pool;
#if !defined(_WIN32)
        pthread_atfork(nullptr, nullptr, [] { pool_of_process = new Pool; });
#endif
    });
    return *pool_of_process;
}

struct Region {
    const Body* body = nullptr;
    std::mutex mutex;
    std::unique_ptr<Barrier> made;
};

void openmp_body(void* data) {
    auto& region = *static_cast<Region*>(data);
    const int threads = openmp.num_threads();
    {
        // How many there are is known only here.
        std::lock_guard<std::mutex> lock(region.mutex);
        if (!region.made) region.made = std::make_unique<Barrier>(threads);
    }
    (*region.body)(openmp.thread_num(), *region.made, threads);
}

}  // namespace

void Barrier::wait() {
    if (threads_ == 1) return;
    const uint32_t generation = generation_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
        arrived_.store(0, std::memory_order_relaxed);
        generation_.store(generation + 1, std::memory_order_release);
        return;
    }
    for (int spin = 0; spin < kSpins; ++spin) {
        if (generation_.load(std::memory_order_acquire) != generation) return;
        pause();
    }
    const auto begun = Clock::now();
    while (generation_.load(std::memory_order_acquire) == generation) std::this_thread::yield();
    const std::chrono::nanoseconds lost = Clock::now() - begun;
    lost_.fetch_add(lost.count(), std::memory_order_relaxed);
}

double Barrier::lost() const {
    const int64_t lost = lost_.load(std::memory_order_relaxed);
    if (lost < 6'000'000) return 0;
    const std::chrono::nanoseconds all = Clock::now() - made_;
    return double(lost) / double(all.count());
}

void use_openmp(void* parallel, void* thread_num, void* num_threads) {
    openmp.parallel = reinterpret_cast<decltype(openmp.parallel)>(parallel);
    openmp.thread_num = reinterpret_cast<decltype(openmp.thread_num)>(thread_num);
    openmp.num_threads = reinterpret_cast<decltype(openmp.num_threads)>(num_threads);
}

void parallel(int threads, const Body& body) {
    if (threads <= 1) {
        Barrier barrier(1);
        body(0, barrier, 1);
    } else if (openmp.parallel) {
        Region region;
        region.body = &body;
        openmp.parallel(openmp_body, &region, unsigned(threads), 0);
    } else {
        pool().run(threads, body);
    }
}

}  // namespace sunhwan
