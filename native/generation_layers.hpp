// The layers of a model that generates: their packed weights, and a step of them for a few rows.
#pragma once

#include <cmath>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "one_product.hpp"
#include "program_tile.hpp"
#include "threads.hpp"
#include "weights.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

namespace {

using V = Vec<float>;
constexpr int L = kWidth;
constexpr int64_t kPage = int64_t(1) << 21;

int vectors_of(int64_t size) { return int((size + L - 1) / L); }
int64_t padded(int64_t size) { return int64_t(vectors_of(size)) * L; }

struct FreePages {
    void operator()(char* p) const { ::operator delete(p, std::align_val_t(kPage)); }
};
using Pages = std::unique_ptr<char[], FreePages>;

// Memory in large pages where the system has them.
Pages allocate_pages(int64_t bytes) {
    const int64_t rounded = (bytes + kPage - 1) / kPage * kPage;
    char* memory = static_cast<char*>(::operator new(size_t(rounded), std::align_val_t(kPage)));
#if defined(__linux__)
    madvise(memory, rounded, MADV_HUGEPAGE);
#endif
    return Pages(memory);
}

Memory<float> zeros(int64_t count) {
    auto memory = allocate<float>(count);
    std::fill(memory.get(), memory.get() + count, 0.0f);
    return memory;
}

// (blocks, size) with every block padded to whole vectors.
Memory<float> padded_copy(const float* from, int64_t blocks, int64_t size) {
    if (!from) return nullptr;
    auto memory = zeros(blocks * padded(size));
    for (int64_t b = 0; b < blocks; ++b)
        std::copy(from + b * size, from + (b + 1) * size, memory.get() + b * padded(size));
    return memory;
}

// What a thread alone writes: sums of products, and rows as whole numbers.
struct Scratch {
    Memory<float> a, u;
    std::vector<uint8_t> q[2];
    std::vector<float> low[2], step[2];
    DrawScratch draw;

    explicit Scratch(int64_t N)
        : a(allocate<float>(N * kVectors * L)), u(allocate<float>(N * kVectors * L)) {}

    Rows rows(int place, int64_t precision, const float* data, int64_t row, int64_t K, int64_t N) {
        Rows x{K, data, row, nullptr, nullptr, nullptr};
        if (precision != kInt8 || K == 0) {
            // Other threads have written of them: fetched together they are here sooner.
            for (int64_t n = 0; n < N; ++n)
                for (int64_t k = 0; k < K; k += L) prefetch(data + n * row + k);
            return x;
        }
        const int64_t width = (K + 3) / 4 * 4;
        q[place].resize(N * width), low[place].resize(N), step[place].resize(N);
        for (int64_t n = 0; n < N; ++n)
            quantise(data + n * row, K, q[place].data() + n * width, low[place][n], step[place][n]);
        x.q = q[place].data(), x.low = low[place].data(), x.step = step[place].data();
        return x;
    }
};

// The panels of one matrix or two that a thread owns: block by block those of the first, of the second.
class OwnPanels {
public:
    struct Piece {
        Block block;
        int64_t first, second;
    };

    // The columns are G blocks of H; a panel has all blocks of a few vectors of units.
    OwnPanels(const Matrix& first, int64_t K1, const Matrix& second, int64_t K2, int G, int64_t H)
        : first_(first), second_(second), K1_(K1), K2_(K2), G_(G), H_(H) {}

    // Lay out the panels of a thread from an offset on; the offset behind them.
    int64_t plan(int thread, int threads, int64_t precision, int64_t offset) {
        for (const auto& block : blocks_of(vectors_of(H_), std::max(1, kVectors / G_), thread, threads)) {
            const int vectors = block.count * G_;
            const int64_t second = offset + panel_bytes(precision, K1_, vectors);
            pieces_.push_back({block, offset, second});
            offset = second + panel_bytes(precision, K2_, vectors);
        }
        return offset;
    }

    void fill(int64_t precision, char* memory) const {
        for (const auto& piece : pieces_) {
            const auto index = [&](int64_t c) -> int64_t {
                const int64_t vector = c / L, unit = (piece.block.start + vector / G_) * L + c % L;
                return unit < H_ ? vector % G_ * H_ + unit : -1;
            };
            const int vectors = piece.block.count * G_;
            pack(precision, memory + piece.first, first_, K1_, vectors, index);
            pack(precision, memory + piece.second, second_, K2_, vectors, index);
        }
    }

    const std::vector<Piece>& pieces() const { return pieces_; }

private:
    Matrix first_, second_;
    int64_t K1_, K2_;
    int G_;
    int64_t H_;
    std::vector<Piece> pieces_;
};

// What a layer reads or gives: K numbers of each row.
struct Signal {
    const float* data;
    int64_t row, K;
};

// What is kept of a layer in a run, of N rows. numbers: all values of a layer that is a program.
struct LayerState {
    Memory<float> h[2], fields[kFields], sum, numbers;
};

// A step of a layer, the t-th of the run. tokens: negative where the row has ended, and its state stays.
struct Step {
    int64_t N, t;
    const int64_t* tokens;
    Signal x;
    LayerState& state;
};

// The threads at work on `parts` parts of the weights, each of which has its memory.
struct Team {
    int thread, threads, parts;
    Barrier* barrier;
    const Pages* memory;

    template <class F>
    void each_part(const F& f) const {
        for (int i = thread; i < parts; i += threads) f(i, memory[i].get());
    }
};

class Layer {
public:
    virtual ~Layer() = default;
    // Lay out a part of the weights from an offset on; the offset behind it.
    virtual int64_t plan(int part, int parts, int64_t offset) = 0;
    virtual void fill(int part, char* memory) const = 0;
    virtual void prepare(LayerState& state, int64_t N) const = 0;
    // All threads must have met before, and meet after it.
    virtual void step(const Team& team, const Step& s, Scratch& scratch) const = 0;
    // Field f of row n after t steps, and its size.
    virtual float* field(const LayerState& state, int f, int64_t n, int64_t t) const = 0;
    virtual int64_t size(int f) const = 0;
    // What it gives in step t.
    virtual Signal output(const LayerState& state, int64_t t) const = 0;

    int64_t D = 0;  // what it reads of x; 0: nothing, for it has a table
    int fields = 0;
};

// A cell whose step is compiled.
template <template <class> class Functor>
class LayerOf final : public Layer {
    using Cell = Functor<float>;
    static constexpr int G = Cell::gates, F = Cell::fields, S = Cell::saved, E = Cell::extra;

public:
    LayerOf(const LayerOfModel& m, const Model& model)
        : H_(m.H), precision_(model.precision), residual_(m.residual), constant_(float(m.constant)) {
        D = m.table ? 0 : m.D, fields = F;
        width_ = padded(H_), K_ = m.W_h.data ? H_ : 0;
        table_ = padded_copy(m.table, m.table ? model.V * G : 0, H_);
        b_ = padded_copy(m.b, G, H_), b_h_ = padded_copy(m.b_h, G, H_), extra_ = padded_copy(m.extra, E, H_);
        for (int f = 0; f < F; ++f) hold_[f] = float(m.hold[f]), holds_ |= m.hold[f] != 0;
        for (int64_t i = 0; i < model.threads; ++i) panels_.emplace_back(m.W_x, D, m.W_h, K_, G, H_);
    }

    int64_t plan(int part, int parts, int64_t offset) override {
        return panels_[part].plan(part, parts, precision_, offset);
    }
    void fill(int part, char* memory) const override { panels_[part].fill(precision_, memory); }

    void prepare(LayerState& state, int64_t N) const override {
        const int64_t count = N * width_;
        state.h[0] = zeros(count), state.h[1] = zeros(count);
        for (int f = 1; f < F; ++f) state.fields[f] = zeros(count);
        if (residual_) state.sum = zeros(count);
    }

    float* field(const LayerState& state, int f, int64_t n, int64_t t) const override {
        return (f ? state.fields[f] : state.h[t % 2]).get() + n * width_;
    }
    int64_t size(int) const override { return H_; }
    Signal output(const LayerState& state, int64_t t) const override {
        return {(residual_ ? state.sum : state.h[1 - t % 2]).get(), width_, H_};
    }

    void step(const Team& team, const Step& s, Scratch& scratch) const override {
        const Rows h = scratch.rows(1, precision_, s.state.h[s.t % 2].get(), width_, K_, s.N);
        const Rows x = scratch.rows(0, precision_, s.x.data, s.x.row, D, s.N);
        team.each_part([&](int part, const char* weights) {
            for (const auto& piece : panels_[part].pieces()) {
                const int vectors = piece.block.count * G;
                const Product product = product_of(precision_, vectors);
                if (D) product(weights + piece.first, x, s.N, scratch.a.get());
                if (K_) product(weights + piece.second, h, s.N, scratch.u.get());
                for (int64_t n = 0; n < s.N; ++n)
                    for (int i = 0; i < piece.block.count; ++i) {
                        const int64_t at = (n * vectors + i * G) * L;
                        unit(s, n, int64_t(piece.block.start + i) * L, scratch.a.get() + at,
                             scratch.u.get() + at);
                    }
            }
        });
    }

private:
    SUNHWAN_INLINE void unit(const Step& s, int64_t n, int64_t at, const float* sums,
                             const float* recurrent) const {
        const int64_t place = n * width_ + at;
        const float* h_before = s.state.h[s.t % 2].get();
        float* h = s.state.h[1 - s.t % 2].get();
        if (s.tokens[n] < 0) return store(h + place, load(h_before + place));
        V a[G], u[G], prev[F], extra[E + 1], next[F], saved[S + 1];
        const float* row = table_ ? table_.get() + s.tokens[n] * G * width_ : nullptr;
        for (int g = 0; g < G; ++g) {
            a[g] = row ? load(row + g * width_ + at) : load(sums + g * L);
            if (b_) a[g] += load(b_.get() + g * width_ + at);
            u[g] = K_ ? load(recurrent + g * L) : V{};
            if (b_h_) u[g] += load(b_h_.get() + g * width_ + at);
        }
        for (int e = 0; e < E; ++e) extra[e] = load(extra_.get() + e * width_ + at);
        extra[E] = broadcast<float>(constant_);
        prev[0] = load(h_before + place);
        for (int f = 1; f < F; ++f) prev[f] = load(s.state.fields[f].get() + place);
        Cell::forward(a, u, prev, extra, next, saved);
        if (holds_)
            for (int f = 0; f < F; ++f) next[f] += hold_[f] * (prev[f] - next[f]);
        store(h + place, next[0]);
        for (int f = 1; f < F; ++f) store(s.state.fields[f].get() + place, next[f]);
        if (residual_) store(s.state.sum.get() + place, load(s.x.data + n * s.x.row + at) + next[0]);
    }

    int64_t H_, precision_, width_, K_;
    bool residual_, holds_ = false;
    float constant_, hold_[F];
    Memory<float> table_, b_, b_h_, extra_;
    std::vector<OwnPanels> panels_;  // one a part
};

// A cell whose step is a program: stages, each of them products that wait for nothing of it, and
// operations on the values of a row. Threads share products out by columns and operations by rows.
class ProgramLayer final : public Layer {
public:
    ProgramLayer(const LayerOfModel& m, const Model& model)
        : program_(*static_cast<const StepProgram*>(m.program)), precision_(model.precision) {
        const auto* words = static_cast<const int64_t*>(m.program);
        words_.assign(words, words + program_.words);
        image_.assign(program_.image, program_.image + program_.numbers);
        stages_ = list<ProgramStage>(program_.stages_at), fields_ = list<ProgramSlot>(program_.fields_at);
        D = m.table ? 0 : m.D, fields = int(program_.fields);
        if (m.table) table_.assign(m.table, m.table + model.V * program_.table);
        for (int64_t k = 0; k < program_.stages; ++k) {
            const auto* products = list<ProgramProduct>(stages_[k].products_at);
            for (int64_t i = 0; i < stages_[k].products; ++i) {
                const Matrix W{products[i].W, products[i].row, products[i].column};
                products_.push_back({&products[i], {}});
                for (int64_t part = 0; part < model.threads; ++part)
                    products_.back().panels.emplace_back(W, products[i].K, Matrix{}, 0, 1, products[i].columns);
            }
        }
    }

    int64_t plan(int part, int parts, int64_t offset) override {
        for (auto& one : products_) offset = one.panels[part].plan(part, parts, precision_of(one), offset);
        return offset;
    }
    void fill(int part, char* memory) const override {
        for (const auto& one : products_) one.panels[part].fill(precision_of(one), memory);
    }

    void prepare(LayerState& state, int64_t N) const override {
        state.numbers = allocate<float>(N * row());
        for (int64_t n = 0; n < N; ++n) std::copy(image_.begin(), image_.end(), of_row(state, n));
    }

    float* field(const LayerState& state, int f, int64_t n, int64_t) const override {
        return of_row(state, n) + fields_[f].at;
    }
    int64_t size(int f) const override { return fields_[f].size; }
    Signal output(const LayerState& state, int64_t) const override {
        return {of_row(state, 0) + program_.output.at, row(), program_.output.size};
    }

    void step(const Team& team, const Step& s, Scratch& scratch) const override {
        const PackedProduct* next = products_.data();
        for (int64_t k = 0; k < program_.stages; ++k) {
            const ProgramStage& stage = stages_[k];
            if (k > 0) team.barrier->wait();
            for (int64_t i = 0; i < stage.products; ++i, ++next) multiply(team, s, *next, scratch);
            if (stage.products > 0) team.barrier->wait();
            for (int64_t n = team.thread; n < s.N; n += team.threads)
                if (s.tokens[n] >= 0) run(stage, s, n);
        }
    }

private:
    struct PackedProduct {
        const ProgramProduct* record;
        std::vector<OwnPanels> panels;  // one a part
    };

    template <class T>
    const T* list(int64_t at) const { return reinterpret_cast<const T*>(words_.data() + at); }
    int64_t row() const { return program_.numbers; }
    float* of_row(const LayerState& state, int64_t n) const { return state.numbers.get() + n * row(); }
    int64_t precision_of(const PackedProduct& one) const { return one.record->exact ? int64_t(kFloat32) : precision_; }

    void multiply(const Team& team, const Step& s, const PackedProduct& one, Scratch& scratch) const {
        const ProgramProduct& p = *one.record;
        const float* from = p.from < 0 ? s.x.data : of_row(s.state, 0) + p.from;
        const int64_t precision = precision_of(one);
        const Rows x = scratch.rows(0, precision, from, p.from < 0 ? s.x.row : row(), p.K, s.N);
        team.each_part([&](int part, const char* weights) {
            for (const auto& piece : one.panels[part].pieces()) {
                const int64_t columns = int64_t(piece.block.count) * L;
                product_of(precision, piece.block.count)(weights + piece.first, x, s.N, scratch.a.get());
                for (int64_t n = 0; n < s.N; ++n)
                    std::copy_n(scratch.a.get() + n * columns, columns,
                                of_row(s.state, n) + p.out + int64_t(piece.block.start) * L);
            }
        });
    }

    void run(const ProgramStage& stage, const Step& s, int64_t n) const {
        float* numbers = of_row(s.state, n);
        const auto* inputs = list<ProgramCopy>(stage.pass.inputs_at);
        for (int64_t i = 0; i < stage.pass.inputs; ++i) {
            const ProgramCopy& in = inputs[i];
            const float* from = table_.empty() ? s.x.data + n * s.x.row
                                               : table_.data() + s.tokens[n] * program_.table;
            std::copy_n(from + in.from, in.size, numbers + in.to);
        }
        ProgramTile<float>(stage.pass, words_.data(), numbers).run(0);
        const auto* outputs = list<ProgramCopy>(stage.pass.outputs_at);
        for (int64_t i = 0; i < stage.pass.outputs; ++i)
            std::copy_n(numbers + outputs[i].from, outputs[i].size, numbers + outputs[i].to);
    }

    const StepProgram program_;
    const int64_t precision_;
    std::vector<int64_t> words_;
    std::vector<float> image_, table_;
    const ProgramStage* stages_;
    const ProgramSlot* fields_;
    std::vector<PackedProduct> products_;
};

}  // namespace
}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
