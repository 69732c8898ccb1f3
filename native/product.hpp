// The product inside a step: rows of h times the columns of a recurrent matrix.
//
// A block is a few vectors of units with all gates of each, so that the gate mathematics of a unit
// finds what it needs in one tile of accumulators. Its columns are packed once for the whole
// sequence. A number is the sum over k in its order, whatever the block, the tile and the threads:
// results do not depend on how the work was cut.
#pragma once

#include <algorithm>
#include <memory>
#include <new>
#include <vector>

#include "share.hpp"
#include "vec.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

constexpr int kVectors = 4;      // of a tile's row, at most
constexpr int64_t kDepth = 512;  // k of a slice of a panel
constexpr int kLine = 64;
template <class T>
constexpr int64_t kHalfLine = kLine / int(2 * sizeof(T));

template <class T>
SUNHWAN_INLINE void prefetch(const T* p) {
    __builtin_prefetch(p, 0, 3);
}
template <class T>
SUNHWAN_INLINE void prefetch_far(const T* p) {
    __builtin_prefetch(p, 0, 2);
}

struct Free {
    void operator()(void* p) const { ::operator delete(p, std::align_val_t(kLine)); }
};
template <class T>
using Memory = std::unique_ptr<T[], Free>;

template <class T>
Memory<T> allocate(int64_t count) {
    return Memory<T>(static_cast<T*>(::operator new(size_t(count) * sizeof(T), std::align_val_t(kLine))));
}

// Part of what is multiplied: K numbers of each row, `row` apart.
template <class T>
struct Operand {
    const T* data;
    int64_t row, K;
};

struct Block {
    int start, count;  // in vectors of units
};

// The vectors of units that thread i of n owns, in blocks of at most `most`, of even size.
inline std::vector<Block> blocks_of(int units, int most, int thread, int threads) {
    const int first = int(int64_t(units) * thread / threads);
    const int last = int(int64_t(units) * (thread + 1) / threads);
    const int owned = last - first, count = (owned + most - 1) / most;
    std::vector<Block> blocks;
    for (int i = 0; i < count; ++i) {
        const int start = first + owned * i / count;
        blocks.push_back({start, first + owned * (i + 1) / count - start});
    }
    return blocks;
}

// acc (R, V) of a tile = (or +=) R rows of the operand times K steps of a packed slice. `next` is
// what is read after the slice, half a line of it fetched at each step.
template <class T, int V, int R>
void tile(const T* a, int64_t row, int64_t K, const T* b, T* acc, bool more, const T* next) {
    constexpr int L = kLanes<T>;
    Vec<T> sum[R][V];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sum[r][v] = more ? load(acc + (r * V + v) * L) : Vec<T>{};
#pragma GCC unroll 2
    for (int64_t k = 0; k < K; ++k) {
        Vec<T> w[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) w[v] = load(b + (k * V + v) * L);
        prefetch_far(next + k * kHalfLine<T>);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            const Vec<T> x = broadcast<T>(a[r * row + k]);
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) sum[r][v] += x * w[v];
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) store(acc + (r * V + v) * L, sum[r][v]);
}

template <class T, int V>
constexpr int kRows = V > kAccumulators / 2 ? 1 : std::min(8, kAccumulators / V);

template <class T, int V, int R = kRows<T, V>>
void tile_of(int rows, const T* a, int64_t row, int64_t K, const T* b, T* acc, bool more, const T* next) {
    if constexpr (R > 1) {
        if (rows < R) return tile_of<T, V, R - 1>(rows, a, row, K, b, acc, more, next);
    }
    tile<T, V, R>(a, row, K, b, acc, more, next);
}

// A matrix in blocks of columns, packed: block by block, k by k, the block's vectors of every unit,
// gate after gate. Column (gate, unit) of the product is weight(k, gate * H + unit).
template <class T, int G>
class Panels {
public:
    static constexpr int most = std::max(1, kVectors / G);  // vectors of units of a block

    // w as K x (G, H), weight(k, column) = data[k * w.row + column * w.column], for so many products with
    // it; the units of each thread are in blocks of like size.
    Panels(const Matrix& w, int64_t K, int64_t H, int64_t threads, int64_t products)
        : w_(w), K_(K), H_(H), once_(products <= 1) {
        for (int thread = 0; thread < threads; ++thread)
            for (const auto& block : blocks_of(int((H + L - 1) / L), most, thread, int(threads))) {
                blocks_.push_back(block);
                offsets_.push_back(size_);
                size_ += K * block.count * G * L;
            }
        if (!once_) memory_ = allocate<T>(size_);
    }

    int64_t bytes() const { return size_ * int64_t(sizeof(T)); }

    // Whether a block is packed where it is multiplied, for it is read a single time.
    bool once() const { return once_; }

    // A thread packs its part. All must have done so before any multiplies.
    void pack(const Share& share) {
        if (once_) return;
        const Range part = part_of(int64_t(blocks_.size()), share.thread, share.threads);
        for (int64_t i = part.first; i < part.end; ++i) pack(blocks_[i], memory_.get() + offsets_[i]);
    }

    // What `multiply` needs besides: room for the sums of a block, and where it is packed, for the block.
    Memory<T> scratch(const Share& share) const {
        return allocate<T>(sums(share) + (once_ ? K_ * std::max(kVectors, G) * L : 0));
    }

    // A thread's share of the products of the rows `of`: for every tile of rows and every vector of units,
    // ahead(row, vector) for each of its rows before its last product, then use(first row, end, vector,
    // sums, stride): gate g of a row's units is at sums + g * L, the next row's `stride` further.
    template <class Ahead, class Use>
    void multiply(const Share& share, Range of, const Operand<T>* operands, int count, T* scratch,
                  const Ahead& ahead, const Use& use) const {
        const Range N = share.rows(of), own = share.units(int64_t(blocks_.size()));
        if (N.count() == 0) return;
        for (int64_t i = own.first; i < own.end; ++i) {
            const int V = blocks_[i].count * G;
            const T* panel = memory_.get() + offsets_[i];
            if (once_ && operands[0].K > 0) {
                T* here = scratch + sums(share);
                pack(blocks_[i], here);
                panel = here;
            }
            bool more = false;
            for (int o = 0; o < count; ++o) {
                const auto& operand = operands[o];
                const bool final = o + 1 == count;
                for (int64_t k = 0; k < operand.K || (k == 0 && final); k += kDepth) {
                    const Slice slice{operand.data + k, operand.row, std::min(kDepth, operand.K - k), more,
                                      final && k + kDepth >= operand.K};
                    switch (V) {
                        case 1: rows<1>(blocks_[i], N, slice, panel, scratch, ahead, use); break;
                        case 2: rows<2>(blocks_[i], N, slice, panel, scratch, ahead, use); break;
                        case 3: rows<3>(blocks_[i], N, slice, panel, scratch, ahead, use); break;
                        default: rows<4>(blocks_[i], N, slice, panel, scratch, ahead, use);
                    }
                    panel += slice.depth * V * L;
                    more = true;
                }
            }
        }
    }

private:
    static constexpr int L = kLanes<T>;

    struct Slice {
        const T* data;
        int64_t row, depth;
        bool more, last;  // whether sums are there from before, and whether they are complete after it
    };

    template <int V, class Ahead, class Use>
    static void rows(const Block& block, Range N, const Slice& slice, const T* panel, T* scratch,
                     const Ahead& ahead, const Use& use) {
        if constexpr (V % G == 0) {
            const int64_t tiles = (N.count() + kRows<T, V> - 1) / kRows<T, V>;
            for (int64_t j = 0; j < tiles; ++j) {
                const Range part = part_of(N.count(), int(j), int(tiles));
                const int64_t n = N.first + part.first, end = N.first + part.end;
                T* sums = scratch + part.first * V * L;
                const T* next = panel + slice.depth * (V * L + j * kHalfLine<T>);
                if (slice.last)
                    for (int64_t m = n; m < end; ++m)
                        for (int u = 0; u < block.count; ++u) ahead(m, block.start + u);
                tile_of<T, V>(int(end - n), slice.data + n * slice.row, slice.row, slice.depth, panel, sums,
                              slice.more, next);
                if (slice.last)
                    for (int u = 0; u < block.count; ++u)
                        use(n, end, block.start + u, sums + u * G * L, V * L);
            }
        }
    }

    static int64_t sums(const Share& share) { return share.rows({0, share.N}).count() * kVectors * L; }

    void pack(const Block& block, T* out) const {
        const Matrix& w = w_;
        const T* data = static_cast<const T*>(w.data);
        const int V = block.count * G;
        const auto column = [&](int v) { return v % G * H_ + int64_t(block.start + v / G) * L; };
        const auto valid = [&](int v) {
            return int(std::min<int64_t>(L, H_ - int64_t(block.start + v / G) * L));
        };
        if (w.column == 1) {
            for (int64_t k = 0; k < K_; ++k)
                for (int v = 0; v < V; ++v)
                    store(out + (k * V + v) * L, load(data + k * w.row + column(v), valid(v)));
            return;
        }
        for (int64_t k0 = 0; k0 < K_; k0 += L) {
            const int depth = int(std::min<int64_t>(L, K_ - k0));
            for (int v = 0; v < V; ++v) {
                Vec<T> square[L] = {};
                for (int l = 0; l < valid(v); ++l) {
                    const T* from = data + k0 * w.row + (column(v) + l) * w.column;
                    if (w.row == 1)
                        square[l] = load(from, depth);
                    else
                        for (int k = 0; k < depth; ++k) square[l][k] = from[k * w.row];
                }
                transpose<T>(square);
                for (int k = 0; k < depth; ++k) store(out + ((k0 + k) * V + v) * L, square[k]);
            }
        }
    }

    Matrix w_;
    int64_t K_, H_, size_ = 0;
    bool once_;
    std::vector<Block> blocks_;
    std::vector<int64_t> offsets_;
    Memory<T> memory_;
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
