// What the drivers read and write for one vector of units of one row at one step.
#pragma once

#include "product.hpp"

// How a cell's header ends: its name, its functor, and the driver that walks it through time. The build
// gathers these lines (CMakeLists.txt); nothing else names a cell.
#define SUNHWAN_CELL(name, Functor, Driver)

namespace sunhwan {
namespace SUNHWAN_ISA {

// Where the rows of step t are: the first of it, of the step before and of the one after; and how many
// there are, here and after. Those that are not there after have their last step here. -1: before all.
struct Step {
    int64_t t, first, before, after, count, later;

    Step(const Recurrence& r, int64_t t)
        : t(t), first(t < 0 ? 0 : r.start[t]), before(t < 1 ? 0 : r.start[t - 1]), after(r.start[t + 1]),
          count(t < 0 ? r.N : after - first), later(r.start[t + 2] - after) {}

    Range all() const { return {0, count}; }
};

template <class T>
SUNHWAN_INLINE T* at(const Series& s, int64_t row, int64_t unit) {
    return static_cast<T*>(s.data) + row * s.row + unit;
}

// Values (N, size), one row after another.
template <class T>
SUNHWAN_INLINE T* at(const void* rows, int64_t size, int64_t n, int64_t unit) {
    return static_cast<T*>(const_cast<void*>(rows)) + n * size + unit;
}

template <class T>
SUNHWAN_INLINE Vec<T> load_extra(const void* extra, int64_t index, int count) {
    return load(static_cast<const T*>(extra) + index, count);
}

// hold * before + (1 - hold) * made; where hold is 1, before, whatever was made.
template <class T>
SUNHWAN_INLINE Vec<T> held(Vec<T> made, Vec<T> before, Vec<T> share) {
    return share == T(1) ? before : made + share * (before - made);
}

struct Place {
    int64_t t, n, row, before;  // row n of step t, here and in the step before
    bool last;                  // of the row's steps
    int64_t unit, size;         // of `size` units, those from `unit` on
    int count;
};

SUNHWAN_INLINE Place place(const Step& s, int64_t n, int64_t unit, int64_t size, int count) {
    return {s.t, n, s.first + n, s.before + n, n >= s.later, unit, size, count};
}

template <class T>
SUNHWAN_INLINE Place place(const Step& s, int64_t size, int64_t n, int v) {
    const int64_t unit = int64_t(v) * kLanes<T>;
    return place(s, n, unit, size, int(std::min<int64_t>(kLanes<T>, size - unit)));
}

// body(place, i) for the i-th row from `first` to `end`. The vectors that are whole, which is nearly
// all, are compiled for themselves.
template <class T, class Body>
SUNHWAN_INLINE void each_row(const Step& step, int64_t size, int64_t first, int64_t end, int v,
                             const Body& body) {
    const Step s = step;
    const int64_t unit = int64_t(v) * kLanes<T>;
    const int count = int(std::min<int64_t>(kLanes<T>, size - unit));
    if (count == kLanes<T>)
        for (int64_t n = first; n < end; ++n) body(place(s, n, unit, size, kLanes<T>), n - first);
    else
        for (int64_t n = first; n < end; ++n) body(place(s, n, unit, size, count), n - first);
}

template <class T>
SUNHWAN_INLINE Vec<T> load_hold(const Recurrence& r, int f, const Place& p) {
    const T* share = at<T>(r.hold[f], p.row, p.unit * r.hold_unit[f]);
    return r.hold_unit[f] ? load(share, p.count) : broadcast<T>(*share);
}

template <class T>
SUNHWAN_INLINE Vec<T> load_before(const Recurrence& r, int f, const Place& p) {
    const T* from = p.t == 0 ? at<T>(r.initial[f], p.size, p.n, p.unit)
                             : at<T>(r.states[f], p.before, p.unit);
    return load(from, p.count);
}

// Block g of a, with its bias.
template <class T>
SUNHWAN_INLINE Vec<T> load_input(const Recurrence& r, int g, const Place& p) {
    const Vec<T> a = load(at<T>(r.a, p.row, g * r.H + p.unit), p.count);
    return r.b ? a + load_extra<T>(r.b, g * r.H + p.unit, p.count) : a;
}

// What bypassed the products on the way from step t + 1, or comes from behind the row's last step.
template <class T>
SUNHWAN_INLINE Vec<T> load_carry(const Recurrence& r, int f, const Place& p) {
    const void* from = p.last ? r.d_last[f] : r.d_initial[f];
    return from ? load(at<T>(from, p.size, p.n, p.unit), p.count) : Vec<T>{};
}

// The gradient of field f from outside: of what the layers above read.
template <class T>
SUNHWAN_INLINE Vec<T> load_outside(const Recurrence& r, int f, const Place& p) {
    return r.d_states[f].data ? load(at<T>(r.d_states[f], p.row, p.unit), p.count) : Vec<T>{};
}

// The gradient that a hold lets through to the step before; what is left of d is the cell's.
template <class T>
SUNHWAN_INLINE Vec<T> split_held(const Recurrence& r, int f, const Place& p, Vec<T>& d) {
    if (!r.hold[f].data) return Vec<T>{};
    const Vec<T> share = load_hold<T>(r, f, p), through = d * share;
    d = share == T(1) ? Vec<T>{} : d - through;
    return through;
}

template <class T>
SUNHWAN_INLINE void store_made(const Recurrence& r, int f, const Place& p, Vec<T> made, Vec<T> before) {
    if (r.hold[f].data) {
        if (r.made[f].data) store(at<T>(r.made[f], p.row, p.unit), made, p.count);
        made = held<T>(made, before, load_hold<T>(r, f, p));
    }
    store(at<T>(r.states[f], p.row, p.unit), made, p.count);
}

template <class T>
SUNHWAN_INLINE Vec<T> load_made(const Recurrence& r, int f, const Place& p) {
    return load(at<T>(r.hold[f].data ? r.made[f] : r.states[f], p.row, p.unit), p.count);
}

template <class T>
SUNHWAN_INLINE Vec<T> dropped(const Recurrence& r, const Place& p, Vec<T> h) {
    return r.drop ? h * load(at<T>(r.drop, p.size, p.n, p.unit), p.count) : h;
}

// Add v to the gradient of extra parameter e, from `unit` on. A few steps are summed before they join the
// others, so that rounding grows with neither number for long.
template <class T>
SUNHWAN_INLINE void add_extra(const Recurrence& r, int e, int64_t t, int64_t n, int64_t unit, Vec<T> v, int count) {
    constexpr int64_t kSteps = 32;
    const int64_t size = r.extra_size[e], done = r.lengths[n] - 1 - t;
    T* all = static_cast<T*>(r.d_extra[e]) + 2 * n * size + unit;
    T* part = all + size;
    if (done % kSteps > 0) v += load(part, count);
    store(part, v, count);
    if ((done + 1) % kSteps == 0 || t == 0) store(all, done < kSteps ? v : load(all, count) + v, count);
}

// h_{t-1} as W_h reads it; with a drop it is made here, each thread its rows.
template <class T>
Operand<T> recurrent_operand(const Recurrence& r, const Step& s, const Share& share) {
    const T* h = s.t == 0 ? static_cast<const T*>(r.initial[0]) : at<T>(r.states[0], s.before, 0);
    const int64_t row = s.t == 0 ? r.P : r.states[0].row;
    if (!r.drop) return {h, row, r.P};
    const T* drop = static_cast<const T*>(r.drop);
    const Range own = share.own_rows(s.count);
    for (int64_t n = own.first; n < own.end; ++n)
        for (int64_t k = 0; k < r.P; ++k)
            *at<T>(r.operand, s.first + n, k) = h[n * row + k] * drop[n * r.P + k];
    share.meet();
    return {at<T>(r.operand, s.first, 0), r.operand.row, r.P};
}

// The product of a backward step, d u_{t+1} W_h^T: 0 for the rows that have no step t + 1.
template <class T, class Ahead, class Use>
SUNHWAN_INLINE void backward_product(const Panels<T, 1>& panels, const Share& share, const Step& s,
                                     const Operand<T>* d_u, int count, T* scratch, const Ahead& ahead,
                                     const Use& use) {
    const Operand<T> nothing{nullptr, 0, 0};
    for (const bool ends : {false, true})
        panels.multiply(share, ends ? Range{s.later, s.count} : Range{0, s.later}, ends ? &nothing : d_u,
                        ends ? 1 : count, scratch, ahead, use);
}

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
