// What the library and its callers share: one recurrence over time, as pointers and sizes.
//
// src/sunhwan/ops/record.py mirrors these records field by field.
#pragma once

#include <cstdint>

namespace sunhwan {

constexpr int kFields = 4;  // of a state, at most
constexpr int kSaved = 16;
constexpr int kExtra = 4;

// The version of all records, those of generation.hpp too: another one whenever one of them changes, also
// where its size does not.
constexpr int64_t kVersion = 7;

// Values over time, (S, size): the rows of a step one after another, and the steps too. Row n of step t
// is data[(start[t] + n) * row + unit]. Null: there are none.
struct Series {
    void* data;
    int64_t row;
};

struct Matrix {
    const void* data;
    int64_t row, column;  // distance of neighbours, in numbers
};

inline Matrix transposed(const Matrix& w) { return {w.data, w.column, w.row}; }

struct Recurrence {
    // Rows may differ in length: they stand in the order of falling lengths, all at least 1, and a step has
    // the first of them, those that are as long. Step t has the rows start[t] to start[t + 1] - 1 of the
    // S = start[T] of all steps; start[T + 1] is S too. N is the number of rows of step 0.
    int64_t T, N;
    const int64_t *start, *lengths;
    int64_t H;  // units of a gate
    int64_t P;  // units of h
    int64_t threads;
    int64_t extra_size[kExtra];
    double constant;  // of the cell's equation
    const void* program;  // a ProgramHeader, where the kernel runs one

    // The parameters of the loop; b_h and extra may be null.
    Matrix W_h, W_m;
    const void *b, *b_h;
    const void* extra[kExtra];

    // Forward. a is read, with b (of its blocks, may be null) added to it, and may be the memory of
    // saved values; initial (N, size), one row after another. `made` is the state before `hold`: it is
    // written where there is a hold.
    Series a, states[kFields], made[kFields], saved[kSaved];
    const void* initial[kFields];
    // What is done to the recurrence besides its equation. hold: the share of the state before that
    // stays; its unit is 0 where one number serves a row. drop (N, P) multiplies h before W_h, and
    // operand is what W_h then reads.
    Series hold[kFields];
    int64_t hold_unit[kFields];
    const void* drop;
    Series operand;
    // What the second product of a step reads: (S, H), or where it is not read later, with m_kept 0,
    // (N, H), each step over the last.
    Series m;
    int64_t m_kept;

    // Backward. reaches_initial: 1 where the gradient of the initial state is wanted, else 0, and
    // d_initial is room to work in. d_states and d_last may be null. d_u: the gradient of the blocks of u that differ
    // from those of a. d_extra (N, 2, size of the extra parameter): the first is the sum over
    // time, the second the kernel's own.
    int64_t reaches_initial;
    Series d_states[kFields];
    const void* d_last[kFields];
    Series d_a, d_u, d_w;
    void* d_initial[kFields];
    void* d_extra[kExtra];
};

// A step as a program, in numbers of 64 bits (program_record.py): first this, then the lists it tells of,
// each at a distance from its beginning.
struct ProgramPass {
    int64_t inputs_at, inputs, operations_at, operations, outputs_at, outputs;
};

// m W in a step, with a matrix besides W_h. matrix: 0 is W_m, i + 1 the extra parameter i; transposed: the matrix
// that is stored is J x K. from, to: columns of what is read and made.
struct LoopProduct {
    int64_t matrix, transposed, K, J, from, to;
};

// units: how many numbers every value of the stage has, 0 where they differ or meet.
struct LoopStage {
    int64_t products_at, products, units;
    ProgramPass pass;
};

// width: numbers of a row of what the stages hand on.
struct LoopPass {
    int64_t stages_at, stages, width;
};

// tile: numbers of a value, where all have one a unit. numbers: of all values of a tile, the constants first;
// constants: what they are, and after the `constant_count` that meet whole values the longer ones.
struct ProgramHeader {
    int64_t tile, numbers, constant_count, recurrent_gates, shared_gates;
    const void* constants;
    LoopPass forward, backward;
};

// What a pass reads or writes besides: which, its place in the tile, 0 where one number stands for all, how
// many numbers it has, and the first of them in the extra parameter or the constants.
struct ProgramValue {
    int64_t kind, index, at, step, size, offset;
};

// at, step: of the operands. inner: numbers of a group, of a row of a product, or how many runs are taken.
struct ProgramOperation {
    int64_t kind, out, size, at[3], step[3], inner, list_at;
};

using Pass = void (*)(const Recurrence&);

// A cell's kernel, and what it reads and writes, in blocks of H units.
struct Kernel {
    const char* name;
    int32_t gates, fields;
    // Saved values: how many, and how wide each is; below 0 the width is in numbers, not in blocks.
    // The first `gates` of them may stand in the memory of a.
    int32_t saved, saved_width[kSaved];
    // Blocks of u, of which the first `shared_gates` have their gradient in the first blocks of d_a, the
    // others in d_u.
    int32_t recurrent_gates, shared_gates;
    // Where the gradient of the second product stands in d_a: the block, -1: in d_w; -2: a program has its
    // products, whose gradients stand in d_w.
    int32_t second;
    int32_t always_saves;  // even where no gradient is wanted
    Pass forward, backward;
};

}  // namespace sunhwan
