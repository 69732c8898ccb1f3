// The library's C functions, found and called by src/sunhwan/ops/library.py, native.py and engine.py.

#include <cstring>

#include "generation.hpp"
#include "problem.hpp"
#include "processor.hpp"
#include "threads.hpp"

#if defined(_WIN32)
#define SUNHWAN_PUBLIC extern "C" __declspec(dllexport)
#else
#define SUNHWAN_PUBLIC extern "C" __attribute__((visibility("default")))
#endif

namespace sunhwan {

#define SUNHWAN_DECLARE(isa)                            \
    namespace isa {                                     \
    template <class T>                                  \
    const Kernel* find(const char* cell);               \
    bool generates(const char* cell);                   \
    bool generates_fast(int64_t precision);             \
    Engine* make_engine(const Model& model);            \
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
    const Kernel* (*of_float)(const char*);
    const Kernel* (*of_double)(const char*);
    bool (*generates)(const char*);
    bool (*generates_fast)(int64_t);
    Engine* (*make_engine)(const Model&);
};

const InstructionSet kSets[] = {
#if defined(SUNHWAN_X86)
    {"avx512", [] { return Processor().avx512; }, avx512::find<float>, avx512::find<double>, avx512::generates, avx512::generates_fast,
     avx512::make_engine},
    {"avx2", [] { return Processor().avx2; }, avx2::find<float>, avx2::find<double>, avx2::generates, avx2::generates_fast,
     avx2::make_engine},
#endif
    {"portable", [] { return true; }, portable::find<float>, portable::find<double>, portable::generates, portable::generates_fast,
     portable::make_engine},
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

// The version of the records and the size of each, 0 of one that is not known: a caller built for others
// must not call.
SUNHWAN_PUBLIC int64_t sunhwan_record_version() { return kVersion; }

SUNHWAN_PUBLIC int64_t sunhwan_size_of(const char* record) {
    const struct {
        const char* name;
        int64_t size;
    } records[] = {
        {"Series", sizeof(Series)}, {"Matrix", sizeof(Matrix)}, {"Recurrence", sizeof(Recurrence)},
        {"Kernel", sizeof(Kernel)}, {"LayerOfModel", sizeof(LayerOfModel)}, {"Model", sizeof(Model)},
        {"Row", sizeof(Row)},
    };
    for (const auto& one : records)
        if (!std::strcmp(record, one.name)) return one.size;
    return 0;
}

SUNHWAN_PUBLIC void sunhwan_use_openmp(void* parallel, void* thread_num, void* num_threads) {
    use_openmp(parallel, thread_num, num_threads);
}

// The kernel of a cell, float64 if `is_double`; null where there is none.
SUNHWAN_PUBLIC const void* sunhwan_kernel(const char* cell, int is_double) {
    if (!chosen) return nullptr;
    return is_double ? chosen->of_double(cell) : chosen->of_float(cell);
}

SUNHWAN_PUBLIC void sunhwan_forward(const Kernel* kernel, const Recurrence* r) {
    kernel->forward(*r);
}

SUNHWAN_PUBLIC void sunhwan_backward(const Kernel* kernel, const Recurrence* r) {
    kernel->backward(*r);
}

// Whether the engine has a cell.
SUNHWAN_PUBLIC int sunhwan_generates(const char* cell) { return chosen && chosen->generates(cell); }

// Whether the processor has the instructions for a precision.
SUNHWAN_PUBLIC int sunhwan_generates_fast(int64_t precision) {
    return chosen && chosen->generates_fast(precision);
}

SUNHWAN_PUBLIC void* sunhwan_engine(const Model* model) {
    return chosen ? chosen->make_engine(*model) : nullptr;
}

SUNHWAN_PUBLIC void sunhwan_engine_run(const void* engine, const Row* rows, int64_t N) {
    static_cast<const Engine*>(engine)->run(rows, N);
}

SUNHWAN_PUBLIC int64_t sunhwan_engine_sweep(const void* engine, int64_t times) {
    return static_cast<const Engine*>(engine)->sweep(times);
}

SUNHWAN_PUBLIC void sunhwan_engine_free(void* engine) { delete static_cast<Engine*>(engine); }
