// The loop over time of any cell whose step is a program: lists of operations on rows of numbers, made from
// the cell's equation by src/sunhwan/program and written down by src/sunhwan/ops/program_record.py.
//
// A step is the recurrent product and stages, each of further products and a list of operations:
//
//     forward   h_{t-1} W_h, then of each stage  w = m W,  the operations that give the next m
//     backward  of each stage from the last  d m = d w W^T,  the operations that give the next d w;
//               then d u_t W_h^T
//
// Products are shared out by rows or units, operations by rows. Where every value of a stage has one number a
// unit, a tile is some rows of some units, so that all values of a tile stay in the nearest cache; else it is
// one whole row. Each operation runs over the tile at once, so choosing it costs little.
#pragma once

#include "program_products.hpp"
#include "program_tile.hpp"

namespace sunhwan {
namespace SUNHWAN_ISA {

// As in INPUTS and OUTPUTS of program_record.py, in this order.
enum ProgramInput : int64_t { kA, kBetween, kBefore, kExtraParameter, kGradient, kSavedValue, kMade, kNumbers };
enum ProgramOutput : int64_t {
    kField, kSave, kGradientOfA, kGradientOfU, kCarry, kGradientOfExtra, kKeep, kGradientOfProduct,
};

template <class T>
class Programmed {
    using V = Vec<T>;
    static constexpr int L = kLanes<T>;

public:
    static void forward(const Recurrence& r) {
        const auto& program = *static_cast<const ProgramHeader*>(r.program);
        const LoopPass& pass = program.forward;
        const int64_t U = program.recurrent_gates, width = pass.width;
        Panels<T, 1> panels(r.W_h, r.P, U * r.H, r.threads, U ? r.T : 0);
        StageProducts<T> products(r, pass, words_of(program));
        // What one stage gives another: the recurrent product first.
        const Memory<T> between = allocate<T>(std::max<int64_t>(1, r.N * width));
        share_out(r, (U ? panels.bytes() : 0) + products.bytes(), (U || !products.none()) && r.T <= 1,
                  [&](const Share& share) {
            if (U) panels.pack(share);
            products.pack(share);
            share.barrier.wait();
            const auto scratch = panels.scratch(share);
            const auto further = products.scratch(share);
            Programmed run(r, program, pass, between.get());
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
                                store(between.get() + p.n * width + p.unit, value, p.count);
                            });
                        });
                    share.meet();
                }
                run.stages(s, share, products, further, [&](int64_t from, int64_t K) {
                    return Operand<T>{between.get() + from, width, K};
                });
            }
        });
    }

    static void backward(const Recurrence& r) {
        const auto& program = *static_cast<const ProgramHeader*>(r.program);
        const LoopPass& pass = program.backward;
        const int64_t U = program.recurrent_gates, D = program.shared_gates;
        Panels<T, 1> panels(transposed(r.W_h), U * r.H, r.P, r.threads, U ? r.T - 1 + r.reaches_initial : 0);
        StageProducts<T> products(r, pass, words_of(program));
        const Memory<T> between = allocate<T>(std::max<int64_t>(1, r.N * pass.width));
        share_out(r, (U ? panels.bytes() : 0) + products.bytes(), (U || !products.none()) && r.T <= 1,
                  [&](const Share& share) {
            if (U) panels.pack(share);
            products.pack(share);
            share.barrier.wait();
            const auto scratch = panels.scratch(share);
            const auto further = products.scratch(share);
            Programmed run(r, program, pass, between.get());
            for (int64_t t = r.T - 1; t >= 0; --t) {
                const Step s(r, t);
                run.stages(s, share, products, further, [&](int64_t from, int64_t K) {
                    return Operand<T>{at<T>(r.d_w, s.first, from), r.d_w.row, K};
                });
                if (!U || (t == 0 && !r.reaches_initial)) continue;
                // d u_t: the blocks it shares with d a, then those that differ.
                Operand<T> d_u[2];
                int count = 0;
                if (D > 0) d_u[count++] = {at<T>(r.d_a, s.first, 0), r.d_a.row, D * r.H};
                if (D < U) d_u[count++] = {at<T>(r.d_u, s.first, 0), r.d_u.row, (U - D) * r.H};
                panels.multiply(
                    share, s.all(), d_u, count, scratch.get(), [](int64_t, int) {},
                    [&](int64_t first, int64_t end, int v, const T* sums, int64_t stride) {
                        each_row<T>(s, r.P, first, end, v, [&](const Place& p, int64_t i) {
                            T* d_h = at<T>(r.d_initial[0], r.P, p.n, p.unit);
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
    Programmed(const Recurrence& r, const ProgramHeader& program, const LoopPass& pass, T* between)
        : r_(r), program_(program), pass_(pass), between_(between), words_(words_of(program)),
          numbers_(allocate<T>(program.numbers)) {
        std::fill_n(numbers_.get(), program.numbers, T(0));
        const T* constants = static_cast<const T*>(program.constants);
        std::copy_n(constants, program.constant_count, numbers_.get());
    }

    static const int64_t* words_of(const ProgramHeader& program) {
        return reinterpret_cast<const int64_t*>(&program);
    }

    // A tile: rows n to n + rows - 1 of the units from `unit` on, of `size` in all; each row has `width` numbers,
    // of which `units` count.
    struct Tile {
        int64_t n, rows, unit, units, width, size;
    };

    // The part of a tile that a value has: where values differ in size a tile is one row, and that is all of it.
    Tile part(const Tile& tile, const ProgramValue& value) const {
        return tile.size ? tile : Tile{tile.n, 1, 0, value.size, 0, value.size};
    }

    template <class F>
    void stages(const Step& s, const Share& share, const StageProducts<T>& products,
                const std::vector<Memory<T>>& scratch, const F& read) const {
        const auto* stages = reinterpret_cast<const LoopStage*>(words_ + pass_.stages_at);
        for (int64_t i = 0; i < pass_.stages; ++i) {
            if (stages[i].products) {
                products.multiply(stages[i], i, share, s, between_, pass_.width, scratch, read);
                share.meet();
            }
            operate(stages[i], s, share.own_rows(s.count));
            share.meet();
        }
    }

    void operate(const LoopStage& stage, const Step& s, Range own) const {
        const ProgramPass& pass = stage.pass;
        const ProgramTile<T> tile(pass, words_, numbers_.get());
        if (!stage.units) {
            for (int64_t n = own.first; n < own.end; ++n) {
                const Tile one{n, 1, 0, 0, 0, 0};
                read(pass, s, one);
                tile.run(0);
                write(pass, s, one);
            }
            return;
        }
        const int64_t size = stage.units, most = program_.tile, padded = (size + L - 1) / L * L;
        const int64_t width = std::min(padded, most), rows = most / width;
        for (int64_t n = own.first; n < own.end; n += rows)
            for (int64_t unit = 0; unit < size; unit += width) {
                const Tile one{n, std::min(rows, own.end - n), unit, std::min(width, size - unit), width, size};
                read(pass, s, one);
                tile.run(one.rows * width);
                write(pass, s, one);
            }
    }

    template <class F>
    void each(const Step& s, const Tile& tile, const F& f) const {
        for (int64_t row = 0; row < tile.rows; ++row)
            for (int64_t i = 0; i < tile.units; i += L) {
                const int count = int(std::min<int64_t>(L, tile.units - i));
                f(place(s, tile.n + row, tile.unit + i, tile.size, count), row * tile.width + i);
            }
    }

    // f(place of its first unit, its place in a value) for each row of a tile.
    template <class F>
    SUNHWAN_INLINE void each_row_of(const Step& s, const Tile& tile, const F& f) const {
        for (int64_t row = 0; row < tile.rows; ++row)
            f(place(s, tile.n + row, tile.unit, tile.size, L), row * tile.width);
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

    // out has room for a whole vector at its end.
    static void sum(T* out, const T* x, const T* y, int64_t n) {
        int64_t i = 0;
        for (; i + L <= n; i += L) store(out + i, load(x + i) + load(y + i));
        if (i < n) store(out + i, load(x + i, int(n - i)) + load(y + i, int(n - i)));
    }

    // The gradient that reaches a field: what comes from the step after and from outside.
    void gradient_in(const Step& s, const Tile& tile, int f, int64_t to) const {
        T* numbers = numbers_.get() + to;
        if (r_.hold[f].data)
            return each(s, tile, [&](const Place& p, int64_t i) {
                V d = load_carry<T>(r_, f, p) + load_outside<T>(r_, f, p);
                split_held<T>(r_, f, p, d);
                store(numbers + i, d);
            });
        each_row_of(s, tile, [&](const Place& p, int64_t row) {
            const void* behind = p.last ? r_.d_last[f] : r_.d_initial[f];
            const T* carry = behind ? at<T>(behind, p.size, p.n, p.unit) : nullptr;
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

    void read(const ProgramPass& pass, const Step& s, const Tile& all) const {
        const auto* inputs = reinterpret_cast<const ProgramValue*>(words_ + pass.inputs_at);
        for (int64_t k = 0; k < pass.inputs; ++k) {
            const ProgramValue& in = inputs[k];
            const Tile tile = part(all, in);
            const int i = int(in.index);
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
                case kBetween:
                    copy_in(s, tile, in.at,
                            [&](const Place& p) { return between_ + p.n * pass_.width + in.offset + p.unit; });
                    break;
                case kBefore:
                    copy_in(s, tile, in.at, [&](const Place& p) {
                        return p.t == 0 ? at<T>(r_.initial[i], p.size, p.n, p.unit) : at<T>(r_.states[i], p.before, p.unit);
                    });
                    break;
                case kMade:
                    copy_in(s, tile, in.at, [&](const Place& p) {
                        return at<T>(r_.hold[i].data ? r_.made[i] : r_.states[i], p.row, p.unit);
                    });
                    break;
                case kGradient: gradient_in(s, tile, i, in.at); break;
                case kSavedValue:
                    copy_in(s, tile, in.at, [&](const Place& p) { return at<T>(r_.saved[i], p.row, p.unit); });
                    break;
                case kExtraParameter: shared(s, tile, in, static_cast<const T*>(r_.extra[i])); break;
                case kNumbers: shared(s, tile, in, static_cast<const T*>(program_.constants)); break;
            }
        }
    }

    // What is one for all rows.
    void shared(const Step& s, const Tile& tile, const ProgramValue& in, const T* values) const {
        values += in.offset;
        T* out = numbers_.get() + in.at;
        if (in.size == tile.size)
            each(s, tile, [&](const Place& p, int64_t i) { store(out + i, load(values + p.unit, p.count)); });
        else
            std::copy_n(values, in.size, out);
    }

    void write(const ProgramPass& pass, const Step& s, const Tile& all) const {
        const auto* outputs = reinterpret_cast<const ProgramValue*>(words_ + pass.outputs_at);
        for (int64_t k = 0; k < pass.outputs; ++k) {
            const ProgramValue& out = outputs[k];
            const Tile tile = part(all, out);
            const int i = int(out.index);
            const T* from = numbers_.get() + out.at;
            const auto value = [&](int64_t j) SUNHWAN_INLINED { return out.step ? load(from + j) : broadcast<T>(*from); };
            const auto to = [&](const Series& values, int64_t offset) {
                copy_out(s, tile, out, [&](const Place& p) { return at<T>(values, p.row, offset + p.unit); });
            };
            switch (out.kind) {
                case kField:
                    if (r_.hold[i].data)
                        each(s, tile, [&](const Place& p, int64_t j) {
                            store_made<T>(r_, i, p, value(j), load_before<T>(r_, i, p));
                        });
                    else
                        to(r_.states[i], 0);
                    break;
                case kSave:
                    if (r_.saved[i].data) to(r_.saved[i], 0);
                    break;
                case kGradientOfA: to(r_.d_a, i * r_.H); break;
                case kGradientOfU: to(r_.d_u, i * r_.H); break;
                case kGradientOfProduct: to(r_.d_w, out.offset); break;
                case kKeep:
                    copy_out(s, tile, out,
                             [&](const Place& p) { return between_ + p.n * pass_.width + out.offset + p.unit; });
                    break;
                case kCarry:
                    if (r_.hold[i].data)
                        each(s, tile, [&](const Place& p, int64_t j) {
                            V d = load_carry<T>(r_, i, p) + load_outside<T>(r_, i, p);
                            store(at<T>(r_.d_initial[i], p.size, p.n, p.unit), value(j) + split_held<T>(r_, i, p, d),
                                  p.count);
                        });
                    else
                        copy_out(s, tile, out, [&](const Place& p) { return at<T>(r_.d_initial[i], p.size, p.n, p.unit); });
                    break;
                case kGradientOfExtra:
                    each(s, tile, [&](const Place& p, int64_t j) {
                        add_extra<T>(r_, i, s.t, p.n, out.offset + p.unit, value(j), p.count);
                    });
                    break;
            }
        }
    }

    const Recurrence& r_;
    const ProgramHeader& program_;
    const LoopPass& pass_;
    T* const between_;
    const int64_t* words_;
    const Memory<T> numbers_;
};

}  // namespace SUNHWAN_ISA
}  // namespace sunhwan
