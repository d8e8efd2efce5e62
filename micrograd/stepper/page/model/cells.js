// Which cells of the operands a cell comes from, and which cells of the readers it goes to.

import {sides} from './data.js';
import {broadcastCell, sizeOf, strides, unravel} from './shapes.js';

/** @import {GraphData, NodeData, Side} from './data.js' */
/** @typedef {{graph: Side, node: number, cell: number}} Cell one cell of one node */

/**
 * The readers of each node, as [node, slot] pairs.
 * @type {Map<GraphData, [number, number][][]>}
 */
const readers = new Map(sides.map(([, graph]) => {
  /** @type {[number, number][][]} */
  const found = graph.nodes.map(() => []);
  graph.nodes.forEach((node, index) => node.operands.forEach((operand, slot) => {
    if (typeof operand === 'number') found[operand].push([index, slot]);
  }));
  return [graph, found];
}));

/**
 * List the axes that a reduction removes.
 * @param {NodeData} node
 * @param {number[]} shape of its operand
 * @returns {number[]}
 */
function reducedAxes(node, shape) {
  const {axis} = node.attrs;
  if (axis === null || axis === undefined) return shape.map((_, i) => i);
  return (Array.isArray(axis) ? axis : [axis]).map((a) => (a + shape.length) % shape.length);
}

/**
 * List the cells that a matrix product multiplies for one cell of its result, as [cell of left, cell of right] pairs.
 * @param {number} cell
 * @param {number[]} out shape of the result
 * @param {number[]} left
 * @param {number[]} right
 * @returns {[number, number][]}
 */
function multipliedCells(cell, out, left, right) {
  const a = left.length === 1 ? [1, left[0]] : left, b = right.length === 1 ? [right[0], 1] : right;
  const rows = a[a.length - 2], inner = a[a.length - 1], columns = b[b.length - 1];
  const batch = Math.floor(cell / (rows * columns)), row = Math.floor(cell / columns) % rows, column = cell % columns;
  const stack = out.slice(0, out.length - +(left.length > 1) - +(right.length > 1));
  const first = broadcastCell(batch, a.slice(0, -2), stack) * rows * inner;
  const second = broadcastCell(batch, b.slice(0, -2), stack) * inner * columns;
  return Array.from({length: inner}, (_, k) => [first + row * inner + k, second + k * columns + column]);
}

/**
 * List the cells that one cell of a reduction folds together.
 * @param {NodeData} node
 * @param {number[]} shape of its operand
 * @param {number} cell
 * @returns {number[]}
 */
function reducedCells(node, shape, cell) {
  const axes = reducedAxes(node, shape), steps = strides(shape);
  const kept = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const at = unravel(cell, kept.map((axis) => shape[axis]));
  let cells = [kept.reduce((sum, axis, i) => sum + at[i] * steps[axis], 0)];
  for (const axis of axes) cells = cells.flatMap((c) => Array.from({length: shape[axis]}, (_, i) => c + i * steps[axis]));
  return cells.sort((a, b) => a - b);
}

/**
 * List the cells of the operands that a cell is computed from, as [slot, cell] pairs, by the kind of the node.
 * @param {GraphData} graph
 * @param {number} index
 * @param {number} cell
 * @returns {[number, number][]}
 */
export function origins(graph, index, cell) {
  const node = graph.nodes[index];
  const shapes = node.operands.map((o) => (typeof o === 'number' ? graph.nodes[o].shape : []));
  switch (node.kind) {
    case 'map': return shapes.map((shape, slot) => [slot, broadcastCell(cell, shape, node.shape)]);
    case 'reduce': return reducedCells(node, shapes[0], cell).map((c) => [0, c]);
    case 'contract': return multipliedCells(cell, node.shape, shapes[0], shapes[1]).flatMap(
      ([a, b]) => /** @type {[number, number][]} */ ([[0, a], [1, b]]));
    case 'move': {
      const {from: source, to: target = []} = node.cells || {};
      const found = source ? [source[cell]] : target.flatMap((to, from) => (to === cell ? [from] : []));
      return found.map((from) => { // counted over the operands' cells, one operand after the other
        let slot = 0;
        for (; from >= sizeOf(shapes[slot]); slot++) from -= sizeOf(shapes[slot]);
        return [slot, from];
      });
    }
    default: return [];
  }
}

/**
 * List the cells that read a cell, as [node, cell] pairs.
 * @param {GraphData} graph
 * @param {number} index
 * @param {number} cell
 * @returns {[number, number][]}
 */
export function goals(graph, index, cell) {
  /** @type {[number, number][]} */
  const found = [];
  for (const [reader, slot] of /** @type {[number, number][][]} */ (readers.get(graph))[index]) {
    const count = sizeOf(graph.nodes[reader].shape);
    for (let c = 0; c < count; c++) if (origins(graph, reader, c).some(([s, from]) => s === slot && from === cell)) found.push([reader, c]);
  }
  return found;
}

/**
 * Follow a cell, through nodes that are not on show, to the cells on show.
 * @param {GraphData} graph
 * @param {number} node
 * @param {number} cell
 * @param {number} direction -1 to its origins, 1 to its readers
 * @param {(node: number) => boolean} onShow
 * @returns {[number, number][]} as [node, cell] pairs
 */
export function follow(graph, node, cell, direction, onShow) {
  const found = new Map(), seen = new Set();
  /** @type {[number, number][]} */
  let layer = [[node, cell]];
  while (layer.length && seen.size < 20000) {
    /** @type {[number, number][]} */
    const next = [];
    for (const [index, at] of layer) {
      const {operands} = graph.nodes[index];
      const around = direction < 0
        ? origins(graph, index, at).map(([slot, c]) => [operands[slot], c]).filter(([o]) => typeof o === 'number')
        : goals(graph, index, at);
      for (const [other, c] of /** @type {[number, number][]} */ (around)) {
        const key = `${other}:${c}`;
        if (seen.has(key)) continue;
        seen.add(key);
        if (onShow(other)) found.set(key, [other, c]);
        else next.push([other, c]);
      }
    }
    layer = next;
  }
  return [...found.values()];
}
