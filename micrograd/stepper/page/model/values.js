// The numbers of every node: as the engine computed them, and as they are now, after a number was changed.

import {backward, data, forward, isForwardValue, isLeaf, sides} from './data.js';
import {origins} from './cells.js';
import {number} from './numbers.js';
import {sizeOf} from './shapes.js';

/** @import {ArrayData, GraphData, InlineNumber, Side} from './data.js' */
/** @typedef {Float64Array | null} Numbers the cells of a node; null where the page has a summary of them */

/**
 * Read the cells of an array; null where they are not in the page.
 * @param {ArrayData | null} array
 * @returns {Numbers}
 */
const decode = (array) => (array && array.data ? Float64Array.from(array.data, number) : null);

/**
 * Copy the numbers of a graph.
 * @param {Numbers[]} arrays
 * @returns {Numbers[]}
 */
const copied = (arrays) => arrays.map((array) => array && array.slice());

const engineValues = forward.nodes.map((node) => decode(node.value));
/**
 * The numbers as the engine computed them.
 * @type {Record<Side, Numbers[]>}
 */
export const given = {
  forward: engineValues,
  backward: backward.nodes.map((node) => (node.from === null ? decode(node.value) : engineValues[node.from])),
};

/**
 * The numbers as they are now.
 * @type {Record<Side, Numbers[]>}
 */
export const values = {forward: copied(given.forward), backward: copied(given.backward)};

/**
 * The numbers in formulas of the forward pass as the engine had them: [node, slot, number].
 * @type {[number, number, number][]}
 */
export const inline = [];
for (const [side, graph] of sides) {
  graph.nodes.forEach((node, index) => node.operands.forEach((operand, slot) => {
    if (typeof operand === 'number') return;
    const x = number(operand.number);
    operand.number = x;
    if (side === 'forward') inline.push([index, slot, x]);
  }));
}

/**
 * Compute the value of one node from those of its operands: four kinds, and the table's own scalar functions.
 * @param {GraphData} graph
 * @param {number} index
 * @param {ArrayLike<number>[]} operands
 * @returns {Float64Array}
 */
function compute(graph, index, operands) {
  const node = graph.nodes[index];
  const out = new Float64Array(sizeOf(node.shape));
  const rule = node.op === 'cast' ? RULES.cast[node.attrs.dtype] : RULES.map[node.kind === 'reduce' ? RULES.reduce[node.op] : node.op];
  for (let cell = 0; cell < out.length; cell++) {
    const cells = origins(graph, index, cell).map(([slot, c]) => operands[slot][c]);
    switch (node.kind) {
      case 'map': out[cell] = Number(rule(cells, node.attrs)); break;
      case 'reduce': out[cell] = cells.reduce((a, b) => Number(rule([a, b], node.attrs))); break;
      case 'contract': for (let k = 0; k < cells.length; k += 2) out[cell] += cells[k] * cells[k + 1]; break;
      case 'move': for (const x of cells) out[cell] += x; // one, or all that a scatter brings to this cell
    }
  }
  return out;
}

/** Compute both graphs again from their leaves. */
export function recompute() {
  for (const [side, graph] of sides) {
    graph.nodes.forEach((node, index) => {
      if (isLeaf(node)) {
        if (side === 'backward' && isForwardValue(node)) values.backward[index] = values.forward[/** @type {number} */ (node.from)];
        return;
      }
      const operands = node.operands.map((o) => (typeof o === 'number' ? values[side][o] : [o.number]));
      values[side][index] = compute(graph, index, /** @type {ArrayLike<number>[]} */ (operands));
    });
  }
}

/** Put back every number that was changed. */
export function restore() {
  values.forward = copied(given.forward);
  values.backward = copied(given.backward);
  for (const [index, slot, x] of inline) /** @type {InlineNumber} */ (forward.nodes[index].operands[slot]).number = x;
}

/**
 * Count the cells of all nodes.
 * @returns {number}
 */
export const countCells = () => Object.values(data.graphs).flatMap((g) => g.nodes).reduce((sum, node) => sum + sizeOf(node.shape), 0);
