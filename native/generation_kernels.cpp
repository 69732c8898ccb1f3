// The engine for one instruction set: the build compiles this file once for each.
//
// All layers, the output and the draw of every step run inside one parallel region. A thread owns units
// of each layer, whose weights lie in its own memory in the order in which they are read.

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <type_traits>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "cell_headers.inc"
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

// A step of a layer: rows of its input; its state before and after.
struct Step {
    int64_t N;
    const int64_t* tokens;  // negative: the row has ended, and its state stays
    const float* x;
    int64_t x_row;
    const float* h_before;
    float* h;
    float* const* fields;  // beyond h, changed in place
    float* sum;  // x + h, where the layer gives that
};

class Layer {
public:
    virtual ~Layer() = default;
    virtual void step(int thread, const char* weights, const Step& s, Scratch& scratch) const = 0;

    std::vector<OwnPanels> panels;  // one a thread
    int64_t D = 0, H = 0;
    int fields = 0;
    bool residual = false;
};

template <template <class> class Functor>
class LayerOf final : public Layer {
    using Cell = Functor<float>;
    static constexpr int G = Cell::gates, F = Cell::fields, S = Cell::saved, E = Cell::extra;

public:
    LayerOf(const LayerOfModel& m, const Model& model) : precision_(model.precision), constant_(float(m.constant)) {
        H = m.H, D = m.table ? 0 : m.D, fields = F, residual = m.residual;
        width_ = padded(H), K_ = m.W_h.data ? H : 0;
        table_ = padded_copy(m.table, m.table ? model.V * G : 0, H);
        b_ = padded_copy(m.b, G, H), b_h_ = padded_copy(m.b_h, G, H), extra_ = padded_copy(m.extra, E, H);
        for (int f = 0; f < F; ++f) hold_[f] = float(m.hold[f]), holds_ |= m.hold[f] != 0;
        for (int64_t i = 0; i < model.threads; ++i) panels.emplace_back(m.W_x, D, m.W_h, K_, G, H);
    }

    void step(int thread, const char* weights, const Step& s, Scratch& scratch) const override {
        const Rows x = scratch.rows(0, precision_, s.x, s.x_row, D, s.N);
        const Rows h = scratch.rows(1, precision_, s.h_before, width_, K_, s.N);
        for (const auto& piece : panels[thread].pieces()) {
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
    }

private:
    SUNHWAN_INLINE void unit(const Step& s, int64_t n, int64_t at, const float* sums,
                             const float* recurrent) const {
        const int64_t place = n * width_ + at;
        if (s.tokens[n] < 0) return store(s.h + place, load(s.h_before + place));
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
        prev[0] = load(s.h_before + place);
        for (int f = 1; f < F; ++f) prev[f] = load(s.fields[f] + place);
        Cell::forward(a, u, prev, extra, next, saved);
        if (holds_)
            for (int f = 0; f < F; ++f) next[f] += hold_[f] * (prev[f] - next[f]);
        store(s.h + place, next[0]);
        for (int f = 1; f < F; ++f) store(s.fields[f] + place, next[f]);
        if (residual) store(s.sum + place, load(s.x + n * s.x_row + at) + next[0]);
    }

    int64_t precision_, width_, K_;
    float constant_, hold_[F];
    bool holds_ = false;
    Memory<float> table_, b_, b_h_, extra_;
};

// State and signals of a run: rows of whole vectors.
struct Work {
    struct State {
        Memory<float> h[2], fields[kFields], sum;
        float* pointers[kFields];
    };
    std::vector<State> layers;
    Memory<float> x, logits;
    std::vector<uint8_t> ended;
    int64_t steps = 0;  // done
};

class Network final : public Engine {
public:
    Network(const Model& m, std::vector<std::unique_ptr<Layer>> layers)
        : V_(m.V), precision_(m.precision), threads_(int(m.threads)), layers_(std::move(layers)),
          output_bias_(padded_copy(m.b, 1, m.V)), memory_(threads_), bytes_(threads_) {
        const Layer& first = *layers_.front();
        if (first.D) embedding_.assign(m.embedding, m.embedding + m.V * first.D);
        for (int i = 0; i < threads_; ++i)
            output_.emplace_back(m.W, layers_.back()->H, Matrix{}, 0, 1, m.V);
        parallel(threads_, [&](int thread, Barrier&, int threads) {
            for (int i = thread; i < threads_; i += threads) {
                int64_t bytes = 0;
                for (auto& layer : layers_) bytes = layer->panels[i].plan(i, threads_, precision_, bytes);
                bytes = output_[i].plan(i, threads_, precision_, bytes);
                memory_[i] = allocate_pages(bytes_[i] = bytes);
                for (auto& layer : layers_) layer->panels[i].fill(precision_, memory_[i].get());
                output_[i].fill(precision_, memory_[i].get());
            }
        });
    }

    // On a crowded machine threads that meet at every layer wait for each other most of the time: then the
    // first one goes on alone, and so does that of the next calls.
    void run(const Row* rows, int64_t N) const override {
        constexpr int kCalls = 4;
        constexpr double kLost = 0.4;
        Work work = work_for(rows, N);
        std::atomic<int64_t> alone_from{std::numeric_limits<int64_t>::max()};
        const bool alone = alone_.load() > 0;
        if (alone) --alone_;
        parallel(alone ? 1 : threads_, [&](int thread, Barrier& all, int threads) {
            Barrier none(1);
            Barrier* barrier = &all;
            Scratch scratch(N);
            std::vector<int64_t> tokens(N);
            int64_t t = 0;
            for (; next_tokens(rows, N, t, work, tokens.data()); ++t) {
                if (t >= alone_from && threads > 1) {
                    if (thread > 0) return;
                    threads = 1, barrier = &none, alone_ = kCalls;
                }
                // All read it at the next step, for they meet before.
                if (thread == 0 && t + 1 < alone_from && all.lost() > kLost) alone_from = t + 1;
                if (work.x) {
                    embed(N, tokens.data(), thread, threads, work);
                    barrier->wait();
                }
                for (size_t l = 0; l < layers_.size(); ++l) {
                    const Step s = step_of(int(l), t, N, tokens.data(), work);
                    for (int i = thread; i < threads_; i += threads)
                        layers_[l]->step(i, memory_[i].get(), s, scratch);
                    barrier->wait();
                }
                if (!wanted(rows, N, t)) continue;
                for (int i = thread; i < threads_; i += threads) output(i, t, N, work, scratch);
                barrier->wait();
                for (int64_t n = thread; n < N; n += threads)
                    if (tokens[n] >= 0) use(rows[n], n, t, work, scratch);
                barrier->wait();
            }
            if (thread == 0) work.steps = t;
        });
        copy_states(rows, N, work, work.steps, false);
    }

    int64_t sweep(int64_t times) const override {
        using Bits = Vector<float>::bits;
        constexpr int kSums = 8;
        parallel(threads_, [&](int thread, Barrier&, int threads) {
            Bits sum[kSums] = {};
            for (int64_t time = 0; time < times; ++time)
                for (int i = thread; i < threads_; i += threads) {
                    const char* memory = memory_[i].get();
                    for (int64_t at = 0; at + kSums * kBytes <= bytes_[i]; at += kSums * kBytes)
#pragma GCC unroll 8
                        for (int v = 0; v < kSums; ++v) {
                            Bits bits;
                            std::memcpy(&bits, memory + at + v * kBytes, kBytes);
                            sum[v] += bits;
                        }
                }
            for (int v = 1; v < kSums; ++v) sum[0] += sum[v];
            volatile int32_t kept = sum[0][0];
            (void)kept;
        });
        return std::accumulate(bytes_.begin(), bytes_.end(), int64_t(0));
    }

private:
    static int64_t steps_of(const Row& row) { return row.givens + std::max<int64_t>(row.draws, 1) - 1; }

    // The token each row reads at step t; false where none does.
    static bool next_tokens(const Row* rows, int64_t N, int64_t t, const Work& work, int64_t* tokens) {
        bool any = false;
        for (int64_t n = 0; n < N; ++n) {
            const Row& row = rows[n];
            const bool reads = t < steps_of(row) && !work.ended[n];
            tokens[n] = !reads ? -1 : t < row.givens ? row.given[t] : row.drawn[t - row.givens];
            any |= reads;
        }
        return any;
    }

    // Whether some row needs the logits of step t.
    static bool wanted(const Row* rows, int64_t N, int64_t t) {
        for (int64_t n = 0; n < N; ++n)
            if (rows[n].logits || (rows[n].draws > 0 && t + 1 >= rows[n].givens)) return true;
        return false;
    }

    void use(const Row& row, int64_t n, int64_t t, Work& work, Scratch& scratch) const {
        const float* logits = work.logits.get() + n * padded(V_);
        if (row.logits && t < row.givens) std::copy(logits, logits + V_, row.logits + t * V_);
        const int64_t index = t + 1 - row.givens;
        if (row.draws <= 0 || index < 0) return;
        row.drawn[index] = draw(logits, V_, row, index, scratch.draw);
        work.ended[n] = row.drawn[index] < 0 || row.drawn[index] == row.stop;
    }

    void embed(int64_t N, const int64_t* tokens, int thread, int threads, Work& work) const {
        const int64_t D = layers_.front()->D;
        for (int64_t n = thread; n < N; n += threads)
            if (tokens[n] >= 0)
                std::copy_n(embedding_.data() + tokens[n] * D, D, work.x.get() + n * padded(D));
    }

    Step step_of(int l, int64_t t, int64_t N, const int64_t* tokens, Work& work) const {
        auto& state = work.layers[l];
        Step s{N, tokens, work.x.get(), padded(layers_[l]->D), state.h[t % 2].get(),
               state.h[1 - t % 2].get(), state.pointers, state.sum.get()};
        if (l > 0) s.x = output_of(l - 1, t, work);
        return s;
    }

    // What a layer gives at step t.
    const float* output_of(int l, int64_t t, const Work& work) const {
        const auto& state = work.layers[l];
        return (layers_[l]->residual ? state.sum : state.h[1 - t % 2]).get();
    }

    void output(int thread, int64_t t, int64_t N, Work& work, Scratch& scratch) const {
        const int last = int(layers_.size()) - 1;
        const int64_t H = layers_[last]->H, width = padded(V_);
        const Rows y = scratch.rows(0, precision_, output_of(last, t, work), padded(H), H, N);
        for (const auto& piece : output_[thread].pieces()) {
            const int64_t columns = int64_t(piece.block.count) * L, start = int64_t(piece.block.start) * L;
            product_of(precision_, piece.block.count)(memory_[thread].get() + piece.first, y, N,
                                                      scratch.a.get());
            for (int64_t n = 0; n < N; ++n)
                for (int64_t c = 0; c < columns; ++c)
                    work.logits[n * width + start + c] =
                        scratch.a[n * columns + c] + output_bias_[start + c];
        }
    }

    Work work_for(const Row* rows, int64_t N) const {
        Work work;
        for (const auto& layer : layers_) {
            auto& state = work.layers.emplace_back();
            const int64_t size = N * padded(layer->H);
            state.h[0] = zeros(size), state.h[1] = zeros(size);
            for (int f = 1; f < layer->fields; ++f)
                state.pointers[f] = (state.fields[f] = zeros(size)).get();
            if (layer->residual) state.sum = zeros(size);
        }
        if (layers_.front()->D) work.x = zeros(N * padded(layers_.front()->D));
        work.logits = zeros(N * padded(V_));
        work.ended.assign(N, 0);
        copy_states(rows, N, work, 0, true);
        return work;
    }

    // Between the rows and the memory of the run, after `t` steps.
    void copy_states(const Row* rows, int64_t N, const Work& work, int64_t t, bool in) const {
        for (int64_t n = 0; n < N; ++n) {
            float* outside = rows[n].state;
            for (size_t l = 0; l < layers_.size(); ++l)
                for (int f = 0; f < layers_[l]->fields; ++f, outside += layers_[l]->H) {
                    const auto& state = work.layers[l];
                    float* inside = (f ? state.fields[f] : state.h[t % 2]).get() + n * padded(layers_[l]->H);
                    const size_t bytes = layers_[l]->H * sizeof(float);
                    in ? std::memcpy(inside, outside, bytes) : std::memcpy(outside, inside, bytes);
                }
        }
    }

    const int64_t V_, precision_;
    const int threads_;
    std::vector<std::unique_ptr<Layer>> layers_;
    std::vector<OwnPanels> output_;
    Memory<float> output_bias_;
    std::vector<float> embedding_;
    std::vector<Pages> memory_;
    std::vector<int64_t> bytes_;
    mutable std::atomic<int> alone_{0};  // calls that one thread makes
};

struct Known {
    const char* name;
    std::unique_ptr<Layer> (*make)(const LayerOfModel&, const Model&);
};

// The engine has the cells whose units meet in one product at most.
template <template <class> class Functor, template <class, class> class Driver>
constexpr Known known(const char* name) {
    using Kind = Driver<float, Functor<float>>;
    if constexpr (std::is_same_v<Kind, Elementwise<float, Functor<float>>> ||
                  std::is_same_v<Kind, Alone<float, Functor<float>>>)
        return {name, [](const LayerOfModel& layer, const Model& model) -> std::unique_ptr<Layer> {
                    return std::make_unique<LayerOf<Functor>>(layer, model);
                }};
    return {name, nullptr};
}

#undef SUNHWAN_CELL
#define SUNHWAN_CELL(name, Functor, Driver) known<Functor, Driver>(name),
constexpr Known kCells[] = {
#include "cell_list.inc"
};

const Known* find_layer(const char* cell) {
    for (const auto& one : kCells)
        if (one.make && !std::strcmp(one.name, cell)) return &one;
    return nullptr;
}

}  // namespace

bool generates(const char* cell) { return find_layer(cell) != nullptr; }

bool generates_fast(int64_t precision) { return fast(precision); }

// Null where a cell is not known.
Engine* make_engine(const Model& model) {
    std::vector<std::unique_ptr<Layer>> layers;
    for (int64_t l = 0; l < model.layers; ++l) {
        const Known* one = find_layer(model.layer[l].cell);
        if (!one) return nullptr;
        layers.push_back(one->make(model.layer[l], model));
    }
    return new Network(model, std::move(layers));
}

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
