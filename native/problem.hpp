// What the library and its callers share: one recurrence over time, as pointers and sizes.
//
// src/sunhwan/ops/native.py mirrors these records field by field.
#pragma once

#include <cstdint>

namespace sunhwan {

constexpr int kFields = 4;  // of a state, at most
constexpr int kSaved = 8;
constexpr int kExtra = 4;

// Values over time, (T, N, size): data[t * step + n * row + unit]. Null: there are none.
struct Series {
    void* data;
    int64_t step, row;
};

struct Matrix {
    const void* data;
    int64_t row, column;  // distance of neighbours, in numbers
};

struct Recurrence {
    int64_t T, N;
    int64_t H;  // units of a gate
    int64_t P;  // units of h
    int64_t threads;
    double constant;  // of the cell's equation

    // The parameters of the loop; b_h and extra may be null.
    Matrix W_h, W_m;
    const void* b_h;
    const void* extra[kExtra];

    // Forward. a is read, and may be the memory of saved values; initial (N, size), one row after
    // another. `made` is the state before `hold`: it is written where there is a hold.
    Series a, states[kFields], made[kFields], saved[kSaved];
    const void* initial[kFields];
    // What is done to the recurrence besides its equation. hold: the share of the state before that
    // stays; its unit is 0 where one number serves a row. drop (N, P) multiplies h before W_h, and
    // operand is what W_h then reads.
    Series hold[kFields];
    int64_t hold_unit[kFields];
    const void* drop;
    Series operand;

    // Backward. d_states and d_last may be null. d_u: the gradient of the blocks of u that differ
    // from those of a. d_extra (N, size of the extra parameter): summed over time.
    Series d_states[kFields];
    const void* d_last[kFields];
    Series d_a, d_u;
    void* d_initial[kFields];
    void* d_extra[kExtra];
};

// A cell's kernel. Of `gates` blocks of a, the first `distinct` have the same gradient in u; the first
// saved values may stand in the memory of a, block for block.
struct Kernel {
    const char* name;
    int32_t gates, fields, saved, extra, distinct;
    void (*forward)(const Recurrence&);
    void (*backward)(const Recurrence&);
};

}  // namespace sunhwan
