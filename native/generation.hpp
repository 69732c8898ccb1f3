// Generating text: a trained model as packed weights, and the rows of text that it reads and writes.
//
// src/sunhwan/ops/engine_record.py mirrors the records field by field.
#pragma once

#include <vector>

#include "problem.hpp"

namespace sunhwan {

enum Precision : int64_t { kFloat32, kFloat16, kInt8 };

// A recurrent layer, float32. Null: the model has none.
struct LayerOfModel {
    const char* cell;
    const void* program;  // a StepProgram, in the place of the cell and all but D and the table
    int64_t D, H;  // inputs and units
    const float* table;  // (V, G H), x W_x + b of every token, in the place of x, W_x and b
    Matrix W_x, W_h;     // (D, G H), (H, G H)
    const float *b, *b_h, *extra;
    double constant;  // of the cell's equation
    double hold[kFields];  // the share of each field that stays
    int64_t residual;  // whether the layer gives x + h
};

// A step as a program, in numbers of 64 bits (engine_program.py): first this, then the lists it tells of,
// each at a distance from its beginning. Every value has its place among the `numbers` of a row; image:
// what stands there before the first step, the constants.
struct ProgramSlot {
    int64_t at, size;
};

struct ProgramCopy {
    int64_t from, to, size;
};

// from: the place of what is multiplied, -1: x. exact: in float32, whatever the precision of weights.
struct ProgramProduct {
    int64_t from, K, out, columns, exact;
    const float* W;
    int64_t row, column;
};

// Inputs are copies from x or the token's row of the table, outputs those of one place to another.
struct ProgramStage {
    int64_t products_at, products;
    ProgramPass pass;
};

struct StepProgram {
    int64_t words, numbers, table;  // table: numbers of a row of the table
    const float* image;
    int64_t stages_at, stages, fields_at, fields;
    ProgramSlot output;
};

struct Model {
    int64_t V, layers, precision, threads;
    const LayerOfModel* layer;
    const float* embedding;  // (V, D) where the first layer has no table
    Matrix W;  // (K, V), of the output
    int64_t K;
    const float* b;
};

// A text: `givens` tokens are read, then `draws` are drawn, each but the last read in its turn.
struct Row {
    const int64_t* given;
    int64_t givens, draws;
    float* state;   // every layer's fields one after another, before and after
    float* logits;  // (givens, V) after each given token, or null
    int64_t* drawn;  // -1 where the logits are no numbers
    const double* uniform;  // in [0, 1), one a draw
    double temperature, top_p;
    int64_t top_k;  // 0: all
    int64_t stop;   // the token that ends the text, or -1
    const uint8_t *never, *first;  // (V), or null: tokens not to draw, ever or as the first one
};

class Engine {
public:
    virtual ~Engine() = default;
    virtual void run(const Row* rows, int64_t N) const = 0;
    // Read all weights so many times and do nothing else; how many bytes they are.
    virtual int64_t sweep(int64_t times) const = 0;
};

struct DrawScratch {
    std::vector<double> weights;
    std::vector<int64_t> order;
};

// The `index`-th draw of a row.
int64_t draw(const float* logits, int64_t V, const Row& row, int64_t index, DrawScratch& scratch);

}  // namespace sunhwan
