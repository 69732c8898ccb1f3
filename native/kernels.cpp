// Every cell's kernel, for one instruction set and one type of numbers: the build compiles this file once for
// each pair. The cells are those that the headers in cells/ declare with SUNHWAN_CELL.

#include <cstring>

#include "cell_headers.inc"
#include "programmed.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

template <class T>
const Kernel* find(const char* cell);

namespace {

using Number = SUNHWAN_NUMBER;

#undef SUNHWAN_CELL
#define SUNHWAN_CELL(name, Functor, Driver) Driver<Number, Functor<Number>>::kernel(name),
constexpr Kernel kKernels[] = {
#include "cell_list.inc"
    Programmed<Number>::kernel("program"),  // any cell
};

}  // namespace

// Null where the cell has none.
template <>
const Kernel* find<Number>(const char* cell) {
    for (const auto& kernel : kKernels)
        if (!std::strcmp(kernel.name, cell)) return &kernel;
    return nullptr;
}

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
