// Fields for every number that can be changed; a change computes both graphs again.

import {backward, data, forward, isForwardValue} from '../model/data.js';
import {alone, typed} from '../model/numbers.js';
import {indexText, shapeText, sizeOf} from '../model/shapes.js';
import {changed, state} from '../model/state.js';
import {countCells, given, inline, recompute, restore, values} from '../model/values.js';
import {t} from '../model/words.js';
import {byId, first, h} from './elements.js';

/**
 * @typedef {object} Editable an array, or a number in a formula
 * @property {string} name
 * @property {number[]} shape
 * @property {(cell: number) => string} at the address of a cell's field
 * @property {(cell: number) => number} original
 * @property {(cell: number) => number} read
 * @property {(cell: number, x: number) => void} write
 */

const FIELDS = 400; // cells up to which an array has a field for each

/**
 * Describe an array whose cells can be changed.
 * @param {'forward' | 'backward'} side
 * @param {number} index
 * @param {string} name
 * @param {number[]} shape
 * @returns {Editable}
 */
function editableArray(side, index, name, shape) {
  const now = () => /** @type {Float64Array} */ (values[side][index]), before = /** @type {Float64Array} */ (given[side][index]);
  return {
    name, shape, at: (cell) => `${side}:${index}:${cell}`, original: (cell) => before[cell],
    read: (cell) => now()[cell], write: (cell, x) => { now()[cell] = x; },
  };
}

/**
 * List what can be changed: leaves of the forward graph, numbers in formulas that no gradient depends on, and seeds.
 * @returns {Editable[]}
 */
function editables() {
  /** @type {Editable[]} */
  const list = [];
  forward.nodes.forEach((node, index) => {
    if ((node.kind === 'input' || node.kind === 'parameter') && values.forward[index]) list.push(editableArray('forward', index, node.name, node.shape));
  });
  for (const [index, slot, original] of inline) {
    const node = forward.nodes[index], operand = /** @type {{number: number, name: string}} */ (node.operands[slot]);
    if (node.op !== 'add' && node.op !== 'sub') continue;
    list.push({
      name: operand.name || t('inline', alone(operand.number), node.name), shape: [], at: () => `inline:${index}:${slot}`,
      original: () => original, read: () => operand.number, write: (_, x) => { operand.number = x; },
    });
  }
  backward.nodes.forEach((node, index) => {
    if (node.kind === 'input' && !isForwardValue(node) && values.backward[index]) list.push(editableArray('backward', index, node.name, node.shape));
  });
  return list;
}

/**
 * Make the field of one number.
 * @param {Editable} entry
 * @param {number} cell
 * @param {HTMLElement} complaint where a text that is no number is reported
 * @returns {HTMLElement}
 */
function field(entry, cell, complaint) {
  const original = entry.original(cell);
  const input = /** @type {HTMLInputElement} */ (h('input', {
    type: 'text', inputmode: 'text', autocomplete: 'off', value: String(entry.read(cell)), 'data-at': entry.at(cell),
    'aria-label': `${entry.name}${indexText(cell, entry.shape)}`,
  }));
  const mark = () => input.classList.toggle('edited', !Object.is(entry.read(cell), original) && entry.read(cell) !== original);
  mark();
  input.addEventListener('change', () => {
    const x = typed(input.value);
    input.setAttribute('aria-invalid', String(Number.isNaN(x)));
    complaint.textContent = Number.isNaN(x) ? t('live_bad', input.value) : '';
    if (Number.isNaN(x)) return;
    entry.write(cell, x);
    state.edited = true;
    state.answers = new Map();
    recompute();
    mark();
    changed();
  });
  return input;
}

/** Draw the fields, or say that the graph is too large for them. */
export function drawLive() {
  const box = first('#live > div');
  box.replaceChildren();
  if (!data.limits.live) {
    box.append(h('p', {}, t('large', countCells())));
    return;
  }
  const complaint = h('p', {class: 'bad', role: 'status'});
  const figures = editables().filter((entry) => sizeOf(entry.shape) <= FIELDS).map((entry) => {
    const columns = entry.shape.at(-1) ?? 1, rows = sizeOf(entry.shape) / columns;
    const body = h('tbody', {}, Array.from({length: rows}, (_, row) => h('tr', {},
      Array.from({length: columns}, (_, column) => h('td', {}, field(entry, row * columns + column, complaint))))));
    return h('figure', {}, h('figcaption', {}, h('b', {}, entry.name), ` ${shapeText(entry.shape)}`), h('div', {class: 'scroll'}, h('table', {role: 'presentation'}, body)));
  });
  box.append(h('p', {}, t('live_help')), h('div', {class: 'arrays'}, figures), complaint, h('button', {type: 'button', id: 'reset', onclick: reset}, t('reset')));
}

/** Put back every number that was changed. */
function reset() {
  restore();
  state.edited = false;
  state.answers = new Map();
  drawLive();
  changed();
  byId('reset').focus();
}
