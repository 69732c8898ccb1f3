// Every cell's kernel, for one instruction set: the build compiles this file once for each.

#include <cstring>

#include "cells/antisymmetric.hpp"
#include "cells/elman.hpp"
#include "cells/gru.hpp"
#include "cells/gru_layer_norm.hpp"
#include "cells/gru_reset_before.hpp"
#include "cells/indrnn.hpp"
#include "cells/lstm.hpp"
#include "cells/lstm_coupled.hpp"
#include "cells/lstm_layer_norm.hpp"
#include "cells/lstm_multiplicative.hpp"
#include "cells/lstm_peephole.hpp"
#include "cells/lstm_projected.hpp"
#include "cells/mingru.hpp"
#include "cells/minlstm.hpp"
#include "cells/rglru.hpp"
#include "cells/slstm.hpp"
#include "cells/ugrnn.hpp"
#include "elementwise.hpp"
#include "normalized.hpp"
#include "two_products.hpp"

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

constexpr Named kKernels[] = {
    named<Elementwise, Elman>("elman"),
    named<Elementwise, ElmanReLU>("elman_relu"),
    named<Elementwise, ElmanReLU>("irnn"),
    named<Alone, IndRNN>("indrnn"),
    named<Elementwise, Antisymmetric>("antisymmetric"),
    named<Elementwise, UGRNN>("ugrnn"),
    named<Elementwise, GRU>("gru"),
    named<Elementwise, LSTM>("lstm"),
    named<Elementwise, PeepholeLSTM>("lstm_peephole"),
    named<Elementwise, CoupledLSTM>("lstm_coupled"),
    named<TwoProducts, GRUResetBefore>("gru_reset_before"),
    named<TwoProducts, MultiplicativeLSTM>("lstm_multiplicative"),
    named<TwoProducts, ProjectedLSTM>("lstm_projected"),
    named<Normalized, LayerNormGRU>("gru_layer_norm"),
    named<Normalized, LayerNormLSTM>("lstm_layer_norm"),
    named<Elementwise, SLSTM>("slstm"),
    named<Alone, MinGRU>("mingru"),
    named<Alone, MinLSTM>("minlstm"),
    named<Alone, RGLRU>("rglru"),
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
