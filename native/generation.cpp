#include "generation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace sunhwan {

// As `filtered_probabilities` and `sample_at` of src/sunhwan/generation/sampling.py, up to a factor.
int64_t draw(const float* logits, int64_t V, const Row& row, int64_t index, DrawScratch& scratch) {
    auto& weights = scratch.weights;
    weights.resize(V);
    const bool first = index == 0 && row.first;
    double most = -std::numeric_limits<double>::infinity();
    int64_t likeliest = 0;
    for (int64_t i = 0; i < V; ++i) {
        const bool forbidden = (row.never && row.never[i]) || (first && row.first[i]);
        const double x = forbidden ? -std::numeric_limits<double>::infinity() : double(logits[i]);
        if (x != x) return -1;
        if (x > most) most = x, likeliest = i;
        weights[i] = x;
    }
    if (!std::isfinite(most)) return -1;
    if (row.temperature == 0) return likeliest;
    const double scaled = most / row.temperature;
    for (auto& w : weights) w = std::exp(w / row.temperature - scaled);
    if ((row.top_k && row.top_k < V) || row.top_p < 1) {
        auto& order = scratch.order;
        order.resize(V);
        std::iota(order.begin(), order.end(), int64_t(0));
        const auto before = [&](int64_t i, int64_t j) {
            return weights[i] != weights[j] ? weights[i] > weights[j] : i < j;
        };
        auto end = order.end();
        if (row.top_k && row.top_k < V) {
            end = order.begin() + row.top_k;
            std::nth_element(order.begin(), end, order.end(), before);
            for (auto i = end; i != order.end(); ++i) weights[*i] = 0;
        }
        if (row.top_p < 1) {
            double sum = 0, mass = 0;
            for (auto i = order.begin(); i != end; ++i) sum += weights[*i];
            // A heap whose top comes before all others.
            const auto after = [&](int64_t i, int64_t j) { return before(j, i); };
            std::make_heap(order.begin(), end, after);
            for (; end != order.begin(); --end) {
                if (!(mass < row.top_p * sum)) break;
                std::pop_heap(order.begin(), end, after);
                mass += weights[*(end - 1)];
            }
            for (auto i = order.begin(); i != end; ++i) weights[*i] = 0;
        }
    }
    double total = 0, sum = 0;
    for (const double w : weights) total += w;
    const double target = row.uniform[index] * total;
    for (int64_t i = 0; i < V; ++i)
        if ((sum += weights[i]) > target) return i;
    return likeliest;
}

}  // namespace sunhwan
