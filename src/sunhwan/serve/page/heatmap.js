/** Rows × columns of numbers as colours on a canvas, with a cursor for pointer and keys. */

import { mixed, palette } from "./colours.js";

const FONT = "12px system-ui, sans-serif";
const GAP = 13; // pixels from which labels do not touch
const LONGEST = 2400; // pixels a side, for a browser's canvas ends somewhere

const MOVES = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

export class HeatMap {
  /** canvas: focusable; moved(row, column): where the cursor came to; chose(row, column): pressed. */
  constructor(canvas, { moved, chose }) {
    this.canvas = canvas;
    this.data = null;
    this.cursor = null;
    this.moved = moved;
    const at = (event) => this.cellAt(event.offsetX, event.offsetY);
    canvas.addEventListener("pointermove", (event) => this.move(at(event)));
    canvas.addEventListener("click", (event) => at(event) && chose(...at(event)));
    canvas.addEventListener("keydown", (event) => this.press(event, chose));
  }

  /** data {rows, columns: labels, values [row][column], scale, marked: set of rows, size: cell height}. */
  show(data) {
    this.data = data;
    this.cursor = null;
    this.lay();
    this.draw();
  }

  /** How large a cell is, and where the first one begins. */
  lay() {
    const { rows, columns, size } = this.data;
    const context = this.canvas.getContext("2d");
    context.font = FONT;
    const widest = (labels) =>
      Math.max(0, ...labels.map((label) => context.measureText(label).width));
    this.left = Math.min(widest(rows), 160) + 22;
    const room = this.canvas.parentNode.clientWidth - this.left - 4;
    const fits = (least, all, count, most) =>
      Math.max(least, Math.min(most, Math.floor(all / count)));
    this.width = fits(4, Math.min(room, LONGEST), Math.max(columns.length, 1), 28);
    this.height = size ?? fits(1, 480, Math.max(rows.length, 1), 20);
    const label = widest(columns);
    this.upright = label + 2 > this.width;
    this.top = this.width >= 8 ? (this.upright ? Math.min(label, 90) + 8 : 18) : 4;
    this.bounds = [
      this.left + this.width * columns.length,
      this.top + this.height * rows.length + 2,
    ];
    const ratio = devicePixelRatio || 1;
    const [across, down] = this.bounds;
    Object.assign(this.canvas, { width: across * ratio, height: down * ratio });
    this.canvas.style.width = `${across}px`;
    this.canvas.style.height = `${down}px`;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  draw() {
    if (!this.data) return;
    const { rows, columns, values, scale, marked } = this.data;
    const context = this.canvas.getContext("2d");
    const colours = palette();
    const ink = (name) => `rgb(${colours[name].join(" ")})`;
    context.clearRect(0, 0, ...this.bounds);
    context.font = FONT;
    values.forEach((row, r) =>
      row.forEach((value, c) => {
        context.fillStyle = `rgb(${mixed(scale.fill(value), colours).join(" ")})`;
        context.fillRect(
          this.left + c * this.width,
          this.top + r * this.height,
          this.width,
          this.height,
        );
      }),
    );
    context.textBaseline = "middle";
    context.textAlign = "right";
    const every = Math.ceil(GAP / this.height);
    rows.forEach((label, r) => {
      const middle = this.top + (r + 0.5) * this.height;
      const isMarked = marked?.has(r);
      context.fillStyle = ink(isMarked ? "--accent" : "--soft");
      if (isMarked) context.fillRect(this.left - 5, middle - this.height / 2, 3, this.height);
      if (r % every === 0) context.fillText(label, this.left - 9, middle, 160);
    });
    context.fillStyle = ink("--soft");
    if (this.top > 4) columns.forEach((label, c) => this.nameColumn(context, label, c));
    if (this.cursor) {
      const [r, c] = this.cursor;
      const corner = [this.left + c * this.width - 1, this.top + r * this.height - 1];
      context.strokeStyle = ink("--ink");
      context.lineWidth = 2;
      context.strokeRect(...corner, this.width + 2, this.height + 2);
    }
  }

  nameColumn(context, label, c) {
    context.save();
    context.translate(this.left + (c + 0.5) * this.width, this.top - 5);
    if (this.upright) context.rotate(-Math.PI / 2);
    context.textAlign = this.upright ? "left" : "center";
    context.textBaseline = this.upright ? "middle" : "alphabetic";
    context.fillText(label, 0, 0, this.upright ? 90 : this.width);
    context.restore();
  }

  /** The cell under a point, [row, column] or null. */
  cellAt(x, y) {
    if (!this.data) return null;
    const [r, c] = [
      Math.floor((y - this.top) / this.height),
      Math.floor((x - this.left) / this.width),
    ];
    const inside = r >= 0 && c >= 0 && r < this.data.rows.length && c < this.data.columns.length;
    return inside ? [r, c] : null;
  }

  move(cell) {
    if (!cell || String(cell) === String(this.cursor)) return;
    this.cursor = cell;
    this.draw();
    this.moved(...cell);
  }

  press(event, chose) {
    if (!this.data?.rows.length || !this.data.columns.length) return;
    const step = MOVES[event.key];
    if (step) {
      const [r, c] = this.cursor ?? [0, 0];
      const keep = (at, count) => Math.max(0, Math.min(count - 1, at));
      const { rows, columns } = this.data;
      this.move(
        this.cursor ? [keep(r + step[0], rows.length), keep(c + step[1], columns.length)] : [0, 0],
      );
    } else if (event.key === "Enter" && this.cursor) chose(...this.cursor);
    else return;
    event.preventDefault();
  }
}
