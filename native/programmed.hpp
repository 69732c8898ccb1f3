// The loop over time of any cell whose step is a program: a flat list of operations on rows of numbers,
// made from the cell's equation by src/sunhwan/program and written down by src/sunhwan/ops/program_record.py.
//
// A step has two parts: the product, and the program, which is shared by rows. Where every value has one
// number a unit, a tile is some rows of some units, so that all values of a tile stay in the nearest cache;
// else it is one whole row. Each operation runs over the tile at once, so choosing it costs little.
#pragma once

#include "units.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

// As in KINDS of program_record.py, in this order.
enum ProgramKind : int64_t {
    kNeg, kAbs, kExp, kExpm1, kLog, kLog1p, kSqrt, kTanh, kSigmoid, kSin, kCos, kFloor, kErf,
    kAdd, kSub, kMul, kDiv, kPow, kMaximum, kMinimum, kLess, kLessEqual, kEqual,
    kSelect, kSum, kMax, kMin, kTake, kProduct,
};
enum ProgramInput : int64_t { kA, kU, kBefore, kExtraParameter, kGradient, kSavedValue, kMade, kNumbers };
enum ProgramOutput : int64_t { kField, kSave, kGradientOfA, kGradientOfU, kCarry, kGradientOfExtra };

template <class T, class F>
SUNHWAN_INLINE void of_one(T* out, const T* x, int64_t step, int64_t n, const F& f) {
    constexpr int L = kLanes<T>;
    if (step)
        for (int64_t i = 0; i < n; i += L) store(out + i, f(load(x + i)));
    else {
        const Vec<T> value = f(broadcast<T>(*x));
        for (int64_t i = 0; i < n; i += L) store(out + i, value);
    }
}

template <class T, class F>
SUNHWAN_INLINE void of_two(T* out, const T* x, int64_t x_step, const T* y, int64_t y_step, int64_t n, const F& f) {
    constexpr int L = kLanes<T>;
    if (x_step && y_step)
        for (int64_t i = 0; i < n; i += L) store(out + i, f(load(x + i), load(y + i)));
    else if (x_step)
        of_one(out, x, 1, n, [&](Vec<T> v) SUNHWAN_INLINED { return f(v, broadcast<T>(*y)); });
    else
        of_one(out, y, y_step, n, [&](Vec<T> v) SUNHWAN_INLINED { return f(broadcast<T>(*x), v); });
}

// A function of the standard library, number by number.
template <class T, class F>
SUNHWAN_INLINE Vec<T> lanes(Vec<T> x, const F& f) {
    for (int l = 0; l < kLanes<T>; ++l) x[l] = f(x[l]);
    return x;
}

template <class T>
SUNHWAN_INLINE Vec<T> log1p(Vec<T> x) {
    bool small = true;
    for (int l = 0; l < kLanes<T>; ++l) small &= x[l] >= T(0) && x[l] <= T(1);
    return small ? log1p_of_unit<T>(x) : lanes<T>(x, [](T v) { return std::log1p(v); });
}

template <class T>
SUNHWAN_INLINE Vec<T> chosen(typename Vector<T>::bits where) {
    return where ? broadcast<T>(T(1)) : Vec<T>{};
}

// The operations of a pass on a tile. words: where each record begins.
template <class T>
class ProgramTile {
public:
    static constexpr int L = kLanes<T>;

    ProgramTile(const ProgramPass& pass, const int64_t* words, T* numbers)
        : pass_(pass), words_(words), numbers_(numbers) {}

    // count: numbers of every value, of a program of units; else each value has its own.
    void run(int64_t count) const {
        for (int64_t i = 0; i < pass_.operations; ++i)
            apply(reinterpret_cast<const ProgramOperation*>(words_ + pass_.operations_at)[i], count);
    }

private:
    void apply(const ProgramOperation& o, int64_t count) const {
        T* out = numbers_ + o.out;
        const T *x = numbers_ + o.at[0], *y = numbers_ + o.at[1], *z = numbers_ + o.at[2];
        const int64_t n = count ? count : (o.size + L - 1) / L * L, xs = o.step[0], ys = o.step[1], zs = o.step[2];
        using V = Vec<T>;
        const V one = broadcast<T>(T(1));
        const auto unary = [&](const auto& f) SUNHWAN_INLINED { of_one(out, x, xs, n, f); };
        const auto binary = [&](const auto& f) SUNHWAN_INLINED { of_two(out, x, xs, y, ys, n, f); };
        switch (o.kind) {
            case kNeg: return unary([](V v) SUNHWAN_INLINED { return -v; });
            case kAbs: return unary([](V v) SUNHWAN_INLINED { return v < T(0) ? -v : v; });
            case kExp: return unary([](V v) SUNHWAN_INLINED { return exponential<T>(v); });
            case kExpm1: return unary([](V v) SUNHWAN_INLINED { return expm1<T>(v); });
            case kLog: return unary([](V v) { return lanes<T>(v, [](T a) { return std::log(a); }); });
            case kLog1p: return unary([](V v) { return log1p<T>(v); });
            case kSqrt: return unary([](V v) SUNHWAN_INLINED { return square_root<T>(v); });
            case kTanh: return unary([](V v) SUNHWAN_INLINED { return tanh<T>(v); });
            case kSigmoid: return unary([](V v) SUNHWAN_INLINED { return sigmoid<T>(v); });
            case kSin: return unary([](V v) { return lanes<T>(v, [](T a) { return std::sin(a); }); });
            case kCos: return unary([](V v) { return lanes<T>(v, [](T a) { return std::cos(a); }); });
            case kFloor: return unary([](V v) { return lanes<T>(v, [](T a) { return std::floor(a); }); });
            case kErf: return unary([](V v) { return lanes<T>(v, [](T a) { return std::erf(a); }); });
            case kAdd: return binary([](V a, V b) SUNHWAN_INLINED { return a + b; });
            case kSub: return binary([](V a, V b) SUNHWAN_INLINED { return a - b; });
            case kMul: return binary([](V a, V b) SUNHWAN_INLINED { return a * b; });
            case kDiv: return binary([](V a, V b) SUNHWAN_INLINED { return a / b; });
            case kPow:
                return binary([](V a, V b) {
                    for (int l = 0; l < L; ++l) a[l] = std::pow(a[l], b[l]);
                    return a;
                });
            case kMaximum: return binary([](V a, V b) SUNHWAN_INLINED { return maximum<T>(a, b); });
            case kMinimum: return binary([](V a, V b) SUNHWAN_INLINED { return -maximum<T>(-a, -b); });
            case kLess: return binary([&](V a, V b) SUNHWAN_INLINED { return a < b ? one : V{}; });
            case kLessEqual: return binary([&](V a, V b) SUNHWAN_INLINED { return a <= b ? one : V{}; });
            case kEqual: return binary([&](V a, V b) SUNHWAN_INLINED { return a == b ? one : V{}; });
            case kSelect:
                for (int64_t i = 0; i < n; i += L) {
                    const V where = xs ? load(x + i) : broadcast<T>(*x);
                    const V a = ys ? load(y + i) : broadcast<T>(*y), b = zs ? load(z + i) : broadcast<T>(*z);
                    store(out + i, where != T(0) ? a : b);
                }
                return;
            case kSum: return reduce(out, x, o.size, o.inner, T(0), [](T a, T b) { return a + b; });
            case kMax: return reduce(out, x, o.size, o.inner, x[0], larger, true);
            case kMin:
                return reduce(out, x, o.size, o.inner, x[0], [](T a, T b) { return -larger(-a, -b); }, true);
            case kTake: return take(out, o);
            case kProduct: return product(out, x, y, o.inner, o.size);
        }
    }

    static T larger(T a, T b) { return a > b || a != a ? a : b; }

    // Of each group of `inner` neighbours.
    template <class F>
    static void reduce(T* out, const T* x, int64_t groups, int64_t inner, T start, const F& f, bool own = false) {
        for (int64_t g = 0; g < groups; ++g, x += inner) {
            // Several sums side by side, for an addition waits for the one before it.
            T part[4] = {start, start, start, start};
            if (own) part[0] = part[1] = part[2] = part[3] = x[0];
            int64_t i = 0;
            for (; i + 4 <= inner; i += 4)
                for (int k = 0; k < 4; ++k) part[k] = f(part[k], x[i + k]);
            for (; i < inner; ++i) part[0] = f(part[0], x[i]);
            out[g] = f(f(part[0], part[1]), f(part[2], part[3]));
        }
    }

    // Runs of neighbours (place in the result, place in the tile, count), or where o.inner is 0 each place.
    void take(T* out, const ProgramOperation& o) const {
        const int64_t* list = words_ + o.list_at;
        if (o.inner == 0)
            for (int64_t i = 0; i < o.size; ++i) out[i] = numbers_[list[i]];
        else
            for (int64_t i = 0; i < o.inner; ++i, list += 3)
                std::memcpy(out + list[0], numbers_ + list[1], size_t(list[2]) * sizeof(T));
    }

    static void product(T* out, const T* x, const T* w, int64_t K, int64_t size) {
        for (int64_t j = 0; j < size; j += L) {
            const int count = int(std::min<int64_t>(L, size - j));
            Vec<T> sum{};
            for (int64_t k = 0; k < K; ++k) sum += x[k] * load(w + k * size + j, count);
            store(out + j, sum, count);
        }
    }

    const ProgramPass& pass_;
    const int64_t* words_;
    T* numbers_;
};

template <class T>
class Programmed {
    using V = Vec<T>;
    static constexpr int L = kLanes<T>;

public:
    static void forward(const Recurrence& r) {
        const auto& program = *static_cast<const ProgramHeader*>(r.program);
        const int64_t U = program.recurrent_gates;
        Panels<T, 1> panels(r.W_h, r.H, U * r.H, r.threads, U ? r.T : 0);
        const Memory<T> u = allocate<T>(std::max<int64_t>(1, r.N * U * r.H));
        share_out(r, U ? panels.bytes() : 0, U && panels.once(), [&](const Share& share) {
            if (U) panels.pack(share);
            share.barrier.wait();
            const auto scratch = panels.scratch(share);
            const Programmed run(r, program, program.forward, u.get());
            for (int64_t t = 0; t < r.T; ++t) {
                const Step s(r, t);
                if (U) {
                    const auto h = recurrent_operand<T>(r, s, share);
                    panels.multiply(
                        share, s.all(), &h, 1, scratch.get(), [](int64_t, int) {},
                        [&](int64_t first, int64_t end, int v, const T* sums, int64_t stride) {
                            each_row<T>(s, U * r.H, first, end, v, [&](const Place& p, int64_t i) {
                                V value = load(sums + i * stride);
                                if (r.b_h) value += load_extra<T>(r.b_h, p.unit, p.count);
                                store(u.get() + p.n * U * r.H + p.unit, value, p.count);
                            });
                        });
                    share.meet();
                }
                run.step(s, share.own_rows(s.count));
                share.meet();
            }
        });
    }

    static void backward(const Recurrence& r) {
        const auto& program = *static_cast<const ProgramHeader*>(r.program);
        const int64_t U = program.recurrent_gates, D = program.distinct;
        Panels<T, 1> panels(transposed(r.W_h), U * r.H, r.H, r.threads, U ? r.T - 1 + r.reaches_initial : 0);
        share_out(r, U ? panels.bytes() : 0, U && panels.once(), [&](const Share& share) {
            if (U) panels.pack(share);
            share.barrier.wait();
            const auto scratch = panels.scratch(share);
            const Programmed run(r, program, program.backward, nullptr);
            for (int64_t t = r.T - 1; t >= 0; --t) {
                const Step s(r, t);
                run.step(s, share.own_rows(s.count));
                share.meet();
                if (!U || (t == 0 && !r.reaches_initial)) continue;
                // d u_t: the blocks it shares with d a, then those that differ.
                Operand<T> d_u[2];
                int count = 0;
                if (D > 0) d_u[count++] = {at<T>(r.d_a, s.first, 0), r.d_a.row, D * r.H};
                if (D < U) d_u[count++] = {at<T>(r.d_u, s.first, 0), r.d_u.row, (U - D) * r.H};
                panels.multiply(
                    share, s.all(), d_u, count, scratch.get(), [](int64_t, int) {},
                    [&](int64_t first, int64_t end, int v, const T* sums, int64_t stride) {
                        each_row<T>(s, r.H, first, end, v, [&](const Place& p, int64_t i) {
                            T* d_h = at<T>(r.d_initial[0], r.H, p.n, p.unit);
                            store(d_h, load(d_h, p.count) + dropped<T>(r, p, load(sums + i * stride)), p.count);
                        });
                    });
                share.meet();
            }
        });
    }

    static constexpr Kernel kernel(const char* name) {
        return {name, 0, 0, 0, {}, 0, 0, -1, false, forward, backward};
    }

private:
    Programmed(const Recurrence& r, const ProgramHeader& program, const ProgramPass& pass, const T* u)
        : r_(r), program_(program), pass_(pass), u_(u), words_(reinterpret_cast<const int64_t*>(&program)),
          numbers_(allocate<T>(program.numbers)) {
        std::fill_n(numbers_.get(), program.numbers, T(0));
        const T* constants = static_cast<const T*>(program.constants);
        std::copy_n(constants, program.constant_count, numbers_.get());
    }

    // A tile: rows n to n + rows - 1 of the units from `unit` on, each row `width` numbers, of which `units` count.
    struct Tile {
        int64_t n, rows, unit, units, width;
    };

    void step(const Step& s, Range own) const {
        const ProgramTile<T> tile(pass_, words_, numbers_.get());
        if (!program_.unitwise) {
            for (int64_t n = own.first; n < own.end; ++n) {
                const Tile one{n, 1, 0, r_.H, 0};
                read(s, one);
                tile.run(0);
                write(s, one);
            }
            return;
        }
        const int64_t most = program_.tile, padded = (r_.H + L - 1) / L * L;
        const int64_t width = std::min(padded, most), rows = most / width;
        for (int64_t n = own.first; n < own.end; n += rows)
            for (int64_t unit = 0; unit < r_.H; unit += width) {
                const Tile one{n, std::min(rows, own.end - n), unit, std::min(width, r_.H - unit), width};
                read(s, one);
                tile.run(one.rows * width);
                write(s, one);
            }
    }

    template <class F>
    void each(const Step& s, const Tile& tile, const F& f) const {
        for (int64_t row = 0; row < tile.rows; ++row)
            for (int64_t i = 0; i < tile.units; i += L) {
                const int count = int(std::min<int64_t>(L, tile.units - i));
                f(place(s, tile.n + row, tile.unit + i, r_.H, count), row * tile.width + i);
            }
    }

    // f(place of its first unit, its place in a value) for each row of a tile.
    template <class F>
    SUNHWAN_INLINE void each_row_of(const Step& s, const Tile& tile, const F& f) const {
        for (int64_t row = 0; row < tile.rows; ++row)
            f(place(s, tile.n + row, tile.unit, r_.H, L), row * tile.width);
    }

    // from(place) is where the numbers of a row begin.
    template <class F>
    SUNHWAN_INLINE void copy_in(const Step& s, const Tile& tile, int64_t to, const F& from) const {
        T* out = numbers_.get() + to;
        each_row_of(s, tile, [&](const Place& p, int64_t i) {
            std::memcpy(out + i, from(p), size_t(tile.units) * sizeof(T));
        });
    }

    template <class F>
    SUNHWAN_INLINE void copy_out(const Step& s, const Tile& tile, const ProgramValue& out, const F& to) const {
        const T* from = numbers_.get() + out.at;
        each_row_of(s, tile, [&](const Place& p, int64_t i) {
            if (out.step)
                std::memcpy(to(p), from + i, size_t(tile.units) * sizeof(T));
            else
                std::fill_n(to(p), tile.units, *from);
        });
    }

    template <class F>
    SUNHWAN_INLINE void fill(const Step& s, const Tile& tile, int64_t to, const F& f) const {
        T* out = numbers_.get() + to;
        each(s, tile, [&](const Place& p, int64_t i) SUNHWAN_INLINED { store(out + i, f(p)); });
    }

    // out has room for a whole vector at its end.
    static void sum(T* out, const T* x, const T* y, int64_t n) {
        int64_t i = 0;
        for (; i + L <= n; i += L) store(out + i, load(x + i) + load(y + i));
        if (i < n) store(out + i, load(x + i, int(n - i)) + load(y + i, int(n - i)));
    }

    // The gradient that reaches a field: what comes from the step after and from outside.
    void gradient_in(const Step& s, const Tile& tile, int f, int64_t to) const {
        if (r_.hold[f].data)
            return fill(s, tile, to, [&](const Place& p) {
                V d = load_carry<T>(r_, f, p) + load_outside<T>(r_, f, p);
                split_held<T>(r_, f, p, d);
                return d;
            });
        T* numbers = numbers_.get() + to;
        each_row_of(s, tile, [&](const Place& p, int64_t row) {
            const void* behind = p.last ? r_.d_last[f] : r_.d_initial[f];
            const T* carry = behind ? at<T>(behind, r_.H, p.n, p.unit) : nullptr;
            const T* outside = r_.d_states[f].data ? at<T>(r_.d_states[f], p.row, p.unit) : nullptr;
            T* out = numbers + row;
            if (!carry || !outside) {
                const T* one = carry ? carry : outside;
                if (one)
                    std::memcpy(out, one, size_t(tile.units) * sizeof(T));
                else
                    std::fill_n(out, tile.units, T(0));
                return;
            }
            sum(out, carry, outside, tile.units);
        });
    }

    void read(const Step& s, const Tile& tile) const {
        const auto* inputs = reinterpret_cast<const ProgramValue*>(words_ + pass_.inputs_at);
        for (int64_t k = 0; k < pass_.inputs; ++k) {
            const ProgramValue& in = inputs[k];
            const int i = int(in.index);
            const bool of_units = in.size == r_.H;
            switch (in.kind) {
                case kA:
                    if (r_.b)
                        each_row_of(s, tile, [&](const Place& p, int64_t row) {
                            const int64_t unit = i * r_.H + p.unit;
                            sum(numbers_.get() + in.at + row, at<T>(r_.a, p.row, unit),
                                static_cast<const T*>(r_.b) + unit, tile.units);
                        });
                    else
                        copy_in(s, tile, in.at, [&](const Place& p) { return at<T>(r_.a, p.row, i * r_.H + p.unit); });
                    break;
                case kU:
                    copy_in(s, tile, in.at,
                            [&](const Place& p) { return u_ + (p.n * program_.recurrent_gates + i) * r_.H + p.unit; });
                    break;
                case kBefore:
                    copy_in(s, tile, in.at, [&](const Place& p) {
                        return p.t == 0 ? at<T>(r_.initial[i], r_.H, p.n, p.unit) : at<T>(r_.states[i], p.before, p.unit);
                    });
                    break;
                case kMade:
                    copy_in(s, tile, in.at, [&](const Place& p) {
                        return at<T>(r_.hold[i].data ? r_.made[i] : r_.states[i], p.row, p.unit);
                    });
                    break;
                case kGradient: gradient_in(s, tile, i, in.at); break;
                case kSavedValue:
                    if (of_units)
                        copy_in(s, tile, in.at, [&](const Place& p) { return at<T>(r_.saved[i], p.row, p.unit); });
                    else
                        std::copy_n(at<T>(r_.saved[i], s.first + tile.n, 0), in.size, numbers_.get() + in.at);
                    break;
                case kExtraParameter: shared(s, tile, in, static_cast<const T*>(r_.extra[i])); break;
                case kNumbers: shared(s, tile, in, static_cast<const T*>(program_.constants)); break;
            }
        }
    }

    // What is one for all rows.
    void shared(const Step& s, const Tile& tile, const ProgramValue& in, const T* values) const {
        values += in.offset;
        if (in.size == r_.H)
            fill(s, tile, in.at, [&](const Place& p) { return load(values + p.unit, p.count); });
        else
            std::copy_n(values, in.size, numbers_.get() + in.at);
    }

    void write(const Step& s, const Tile& tile) const {
        const auto* outputs = reinterpret_cast<const ProgramValue*>(words_ + pass_.outputs_at);
        for (int64_t k = 0; k < pass_.outputs; ++k) {
            const ProgramValue& out = outputs[k];
            const int i = int(out.index);
            const T* from = numbers_.get() + out.at;
            const auto value = [&](int64_t j) SUNHWAN_INLINED { return out.step ? load(from + j) : broadcast<T>(*from); };
            switch (out.kind) {
                case kField:
                    if (r_.hold[i].data)
                        each(s, tile, [&](const Place& p, int64_t j) {
                            store_made<T>(r_, i, p, value(j), load_before<T>(r_, i, p));
                        });
                    else
                        copy_out(s, tile, out, [&](const Place& p) { return at<T>(r_.states[i], p.row, p.unit); });
                    break;
                case kSave:
                    if (!r_.saved[i].data) break;
                    if (out.size == r_.H)
                        copy_out(s, tile, out, [&](const Place& p) { return at<T>(r_.saved[i], p.row, p.unit); });
                    else
                        std::copy_n(from, out.size, at<T>(r_.saved[i], s.first + tile.n, 0));
                    break;
                case kGradientOfA:
                    copy_out(s, tile, out, [&](const Place& p) { return at<T>(r_.d_a, p.row, i * r_.H + p.unit); });
                    break;
                case kGradientOfU:
                    copy_out(s, tile, out, [&](const Place& p) { return at<T>(r_.d_u, p.row, i * r_.H + p.unit); });
                    break;
                case kCarry:
                    if (r_.hold[i].data)
                        each(s, tile, [&](const Place& p, int64_t j) {
                            V d = load_carry<T>(r_, i, p) + load_outside<T>(r_, i, p);
                            store(at<T>(r_.d_initial[i], r_.H, p.n, p.unit), value(j) + split_held<T>(r_, i, p, d),
                                  p.count);
                        });
                    else
                        copy_out(s, tile, out, [&](const Place& p) { return at<T>(r_.d_initial[i], r_.H, p.n, p.unit); });
                    break;
                case kGradientOfExtra:
                    if (out.size == r_.H)
                        each(s, tile, [&](const Place& p, int64_t j) {
                            add_extra<T>(r_, i, s.t, p.n, out.offset + p.unit, value(j), p.count);
                        });
                    else
                        for (int64_t j = 0; j < out.size; j += L)
                            add_extra<T>(r_, i, s.t, tile.n, out.offset + j, value(j),
                                         int(std::min<int64_t>(L, out.size - j)));
                    break;
            }
        }
    }

    const Recurrence& r_;
    const ProgramHeader& program_;
    const ProgramPass& pass_;
    const T* u_;
    const int64_t* words_;
    const Memory<T> numbers_;
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
