// The library's face: C functions, found and called by src/sunhwan/ops/native.py.

#include <cstring>

#include "problem.hpp"
#include "processor.hpp"
#include "rows.hpp"
#include "threads.hpp"

#if defined(_WIN32)
#define SUNHWAN_PUBLIC extern "C" __declspec(dllexport)
#else
#define SUNHWAN_PUBLIC extern "C" __attribute__((visibility("default")))
#endif

namespace sunhwan {

#define SUNHWAN_DECLARE(isa)                            \
    namespace isa {                                     \
    const Kernel* find(const char* cell, bool twice);   \
    }
#if defined(SUNHWAN_X86)
SUNHWAN_DECLARE(avx512)
SUNHWAN_DECLARE(avx2)
#endif
SUNHWAN_DECLARE(portable)

namespace {

struct InstructionSet {
    const char* name;
    bool (*usable)();
    const Kernel* (*find)(const char*, bool);
};

const InstructionSet kSets[] = {
#if defined(SUNHWAN_X86)
    {"avx512", [] { return Processor().avx512; }, avx512::find},
    {"avx2", [] { return Processor().avx2; }, avx2::find},
#endif
    {"portable", [] { return true; }, portable::find},
};

const InstructionSet* chosen = nullptr;

}  // namespace
}  // namespace sunhwan

using namespace sunhwan;

// Take the best instruction set of this processor, or the named one; null where it cannot be had.
SUNHWAN_PUBLIC const char* sunhwan_use_instructions(const char* name) {
    for (const auto& set : kSets)
        if (set.usable() && (!name || !std::strcmp(name, set.name))) {
            chosen = &set;
            return set.name;
        }
    return nullptr;
}

// The size of the record that forward and backward read: a caller built for another one must not call.
SUNHWAN_PUBLIC int64_t sunhwan_record_size() { return sizeof(Recurrence); }

SUNHWAN_PUBLIC void sunhwan_use_openmp(void* parallel, void* thread_num, void* num_threads) {
    use_openmp(parallel, thread_num, num_threads);
}

// The kernel of a cell, float64 if `twice`; null where there is none.
SUNHWAN_PUBLIC const void* sunhwan_kernel(const char* cell, int twice) {
    return chosen ? chosen->find(cell, twice != 0) : nullptr;
}

SUNHWAN_PUBLIC void sunhwan_forward(const Kernel* kernel, const Recurrence* r) {
    run(kernel->forward, kernel->number_size, *r);
}

SUNHWAN_PUBLIC void sunhwan_backward(const Kernel* kernel, const Recurrence* r) {
    run(kernel->backward, kernel->number_size, *r);
}
