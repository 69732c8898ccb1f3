// The engine for one instruction set: the build compiles this file once for each.
//
// All layers, the output and the draw of every step run inside one parallel region. A thread owns units
// of each layer, whose weights lie in its own memory in the order in which they are read.

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <type_traits>

#include "cell_headers.inc"
#include "generation_layers.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

namespace {

// State and signals of a run: rows of whole vectors.
struct Work {
    std::vector<LayerState> layers;
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
            output_.emplace_back(m.W, m.K, Matrix{}, 0, 1, m.V);
        parallel(threads_, [&](int thread, Barrier&, int threads) {
            for (int i = thread; i < threads_; i += threads) {
                int64_t bytes = 0;
                for (auto& layer : layers_) bytes = layer->plan(i, threads_, bytes);
                bytes = output_[i].plan(i, threads_, precision_, bytes);
                memory_[i] = allocate_pages(bytes_[i] = bytes);
                for (auto& layer : layers_) layer->fill(i, memory_[i].get());
                output_[i].fill(precision_, memory_[i].get());
            }
        });
    }

    // On a crowded machine threads that synchronise at every layer wait for each other most of the time: then the
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
                // All read it at the next step, for they synchronise before.
                if (thread == 0 && t + 1 < alone_from && all.lost() > kLost) alone_from = t + 1;
                if (work.x) {
                    embed(N, tokens.data(), thread, threads, work);
                    barrier->wait();
                }
                const Team team{thread, threads, threads_, barrier, memory_.data()};
                for (size_t l = 0; l < layers_.size(); ++l) {
                    const Signal x = l ? output_of(l - 1, t, work) : embedded(work);
                    layers_[l]->step(team, Step{N, t, tokens.data(), x, work.layers[l]}, scratch);
                    barrier->wait();
                }
                if (!wanted(rows, N, t)) continue;
                output(team, t, N, work, scratch);
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

    Signal embedded(const Work& work) const {
        const int64_t D = layers_.front()->D;
        return {work.x.get(), padded(D), D};
    }

    // What a layer gives at step t.
    Signal output_of(size_t l, int64_t t, const Work& work) const {
        return layers_[l]->output(work.layers[l], t);
    }

    void output(const Team& team, int64_t t, int64_t N, Work& work, Scratch& scratch) const {
        const Signal last = output_of(layers_.size() - 1, t, work);
        const int64_t width = padded(V_);
        const Rows y = scratch.rows(0, precision_, last.data, last.row, last.K, N);
        team.each_part([&](int part, const char* weights) {
            for (const auto& piece : output_[part].pieces()) {
                const int64_t columns = int64_t(piece.block.count) * L, start = int64_t(piece.block.start) * L;
                product_of(precision_, piece.block.count)(weights + piece.first, y, N, scratch.a.get());
                for (int64_t n = 0; n < N; ++n)
                    for (int64_t c = 0; c < columns; ++c)
                        work.logits[n * width + start + c] =
                            scratch.a[n * columns + c] + output_bias_[start + c];
            }
        });
    }

    Work work_for(const Row* rows, int64_t N) const {
        Work work;
        for (const auto& layer : layers_) layer->prepare(work.layers.emplace_back(), N);
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
                for (int f = 0; f < layers_[l]->fields; ++f) {
                    float* inside = layers_[l]->field(work.layers[l], f, n, t);
                    const int64_t size = layers_[l]->size(f);
                    in ? std::copy_n(outside, size, inside) : std::copy_n(inside, size, outside);
                    outside += size;
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

// The engine has the cells whose units interact in one product at most.
template <template <class> class Functor, template <class, class> class Driver>
constexpr Known known(const char* name) {
    using Kind = Driver<float, Functor<float>>;
    if constexpr (std::is_same_v<Kind, OneProductLoop<float, Functor<float>>> ||
                  std::is_same_v<Kind, NoProductLoop<float, Functor<float>>>)
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
        if (model.layer[l].program) {
            layers.push_back(std::make_unique<ProgramLayer>(model.layer[l], model));
            continue;
        }
        const Known* one = find_layer(model.layer[l].cell);
        if (!one) return nullptr;
        layers.push_back(one->make(model.layer[l], model));
    }
    return new Network(model, std::move(layers));
}

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
