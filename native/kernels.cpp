// Every cell's kernel, for one instruction set: the build compiles this file once for each.

#include <cstring>

#include "cells/elman.hpp"
#include "cells/gru.hpp"
#include "cells/lstm.hpp"
#include "elementwise.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

namespace {

struct Named {
    Kernel single, twice;
};

template <template <class, class> class Driver, template <class> class Cell, class T>
constexpr Kernel kernel(const char* name) {
    using C = Cell<T>;
    using D = Driver<T, C>;
    return {name, C::gates, C::fields, C::saved, C::extra, C::distinct, D::forward, D::backward};
}

template <template <class, class> class Driver, template <class> class Cell>
constexpr Named named(const char* name) {
    return {kernel<Driver, Cell, float>(name), kernel<Driver, Cell, double>(name)};
}

constexpr Named kKernels[] = {
    named<Elementwise, LSTM>("lstm"),
    named<Elementwise, GRU>("gru"),
    named<Elementwise, Elman>("elman"),
    named<Elementwise, ElmanReLU>("elman_relu"),
};

}  // namespace

// Null where the cell has none.
const Kernel* find(const char* cell, bool twice) {
    for (const auto& kernel : kKernels)
        if (!std::strcmp(kernel.single.name, cell)) return twice ? &kernel.twice : &kernel.single;
    return nullptr;
}

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
