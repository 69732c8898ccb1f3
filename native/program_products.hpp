// The products of a program's pass besides the recurrent one: of each stage a matrix, what it multiplies and
// where the sums go.
#pragma once

#include "program_tile.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

// Of all stages of a pass, with packed matrices.
template <class T>
class StageProducts {
public:
    StageProducts(const Recurrence& r, const LoopPass& pass, const int64_t* words) : words_(words) {
        const auto* stages = reinterpret_cast<const LoopStage*>(words + pass.stages_at);
        for (int64_t i = 0; i < pass.stages; ++i) {
            first_.push_back(panels_.size());
            for (int64_t k = 0; k < stages[i].products; ++k) {
                const LoopProduct& p = product(stages[i], k);
                panels_.emplace_back(matrix(r, p), p.K, p.J, r.threads, r.T);
            }
        }
    }

    bool none() const { return panels_.empty(); }

    int64_t bytes() const {
        int64_t sum = 0;
        for (const auto& one : panels_) sum += one.bytes();
        return sum;
    }

    void pack(const Share& share) {
        for (auto& one : panels_) one.pack(share);
    }

    std::vector<Memory<T>> scratch(const Share& share) const {
        std::vector<Memory<T>> found;
        for (const auto& one : panels_) found.push_back(one.scratch(share));
        return found;
    }

    // A thread's share of the products of stage i, of rows read(first column, K), into `between` (N, width).
    template <class F>
    void multiply(const LoopStage& stage, int64_t i, const Share& share, const Step& s, T* between, int64_t width,
                  const std::vector<Memory<T>>& scratch, const F& read) const {
        for (int64_t k = 0; k < stage.products; ++k) {
            const LoopProduct& p = product(stage, k);
            const Operand<T> operand = read(p.from, p.K);
            const size_t one = first_[size_t(i)] + size_t(k);
            panels_[one].multiply(
                share, s.all(), &operand, 1, scratch[one].get(), [](int64_t, int) {},
                [&](int64_t n, int64_t end, int v, const T* sums, int64_t stride) {
                    each_row<T>(s, p.J, n, end, v, [&](const Place& at, int64_t row) {
                        store(between + at.n * width + p.to + at.unit, load(sums + row * stride), at.count);
                    });
                });
        }
    }

private:
    const LoopProduct& product(const LoopStage& stage, int64_t k) const {
        return reinterpret_cast<const LoopProduct*>(words_ + stage.products_at)[k];
    }

    static Matrix matrix(const Recurrence& r, const LoopProduct& p) {
        if (p.matrix == 0) return p.transposed ? transposed(r.W_m) : r.W_m;
        return {r.extra[p.matrix - 1], p.transposed ? 1 : p.J, p.transposed ? p.K : 1};
    }

    const int64_t* words_;
    std::vector<Panels<T, 1>> panels_;
    std::vector<size_t> first_;  // of each stage
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
