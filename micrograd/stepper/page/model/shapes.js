// Shapes and indices: cells are counted flat, in C order.

/**
 * Count the cells of a shape.
 * @param {number[]} shape
 * @returns {number}
 */
export const sizeOf = (shape) => shape.reduce((a, b) => a * b, 1);

/**
 * Write a shape as NumPy does; nothing for a single number.
 * @param {number[]} shape
 * @returns {string}
 */
export const shapeText = (shape) => (shape.length ? `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})` : '');

/**
 * Compute how far apart neighbours along each axis stand in the flat array.
 * @param {number[]} shape
 * @returns {number[]}
 */
export function strides(shape) {
  const found = new Array(shape.length);
  for (let axis = shape.length - 1, stride = 1; axis >= 0; axis--) { found[axis] = stride; stride *= shape[axis]; }
  return found;
}

/**
 * Convert a flat index to one index per axis.
 * @param {number} cell
 * @param {number[]} shape
 * @returns {number[]}
 */
export function unravel(cell, shape) {
  const at = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) { at[axis] = cell % shape[axis]; cell = Math.floor(cell / shape[axis]); }
  return at;
}

/**
 * Write the index of a cell: [0, 2].
 * @param {number} cell
 * @param {number[]} shape
 * @returns {string}
 */
export const indexText = (cell, shape) => (shape.length ? `[${unravel(cell, shape).join(', ')}]` : '');

/**
 * Find the cell of an operand of shape `from` that broadcasting puts at `cell` of shape `to`.
 * @param {number} cell
 * @param {number[]} from
 * @param {number[]} to
 * @returns {number}
 */
export function broadcastCell(cell, from, to) {
  const at = unravel(cell, to), steps = strides(from), lead = to.length - from.length;
  return from.reduce((sum, size, axis) => sum + (size === 1 ? 0 : at[lead + axis] * steps[axis]), 0);
}
