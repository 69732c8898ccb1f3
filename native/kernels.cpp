// Every cell's kernel, for one instruction set: the build compiles this file once for each. The cells are
// those that the headers in cells/ declare with SUNHWAN_CELL.

#include <cstring>

#include "cell_headers.inc"
#include "programmed.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

namespace {

struct Named {
    Kernel single, twice;
};

template <template <class, class> class Driver, template <class> class Cell>
constexpr Named named(const char* name) {
    return {Driver<float, Cell<float>>::kernel(name), Driver<double, Cell<double>>::kernel(name)};
}

#undef SUNHWAN_CELL
#define SUNHWAN_CELL(name, Functor, Driver) named<Driver, Functor>(name),
constexpr Named kKernels[] = {
#include "cell_list.inc"
    {Programmed<float>::kernel("program"), Programmed<double>::kernel("program")},  // any cell
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
