// The chosen cell of a table: the cells that it comes from and goes to light up.

import {follow, goals} from '../model/cells.js';
import {data} from '../model/data.js';
import {indexText} from '../model/shapes.js';
import {changed, state} from '../model/state.js';
import {t} from '../model/words.js';
import {byId, first, h} from './elements.js';

/** @import {Side} from '../model/data.js' */

const NAMED = 12; // cells up to which each is named

/** Mark the chosen cell, its origins and its readers, and name them under the tables. */
export function light() {
  const happens = byId('step'), line = byId('trace');
  for (const td of happens.querySelectorAll('td')) td.classList.remove('chosen', 'from', 'to');
  if (!line) return;
  line.replaceChildren();
  const {chosen} = state;
  if (!chosen) return;
  const cellsAt = (/** @type {number} */ index, /** @type {number} */ cell) =>
    happens.querySelectorAll(`td[data-of="${chosen.graph}:${index}:${cell}"]`);
  if (!cellsAt(chosen.node, chosen.cell).length) { state.chosen = null; return; }
  const graph = data.graphs[chosen.graph];
  const name = (/** @type {number} */ index, /** @type {number} */ cell) => `${graph.nodes[index].name}${indexText(cell, graph.nodes[index].shape)}`;
  const shown = [...happens.querySelectorAll('td[data-of]')].map((td) => td.dataset.of.split(':'));
  const here = new Set(shown.filter(([side]) => side === chosen.graph).map(([, index]) => +index));
  for (const td of cellsAt(chosen.node, chosen.cell)) td.classList.add('chosen');
  line.append(h('code', {}, name(chosen.node, chosen.cell)), ' ');
  for (const [direction, kind, word, arrow] of /** @type {const} */ ([[-1, 'from', 'cell_from', '←'], [1, 'to', 'cell_to', '→']])) {
    let cells = follow(graph, chosen.node, chosen.cell, direction, (index) => here.has(index));
    if (!cells.length && direction > 0) cells = goals(graph, chosen.node, chosen.cell);
    if (!cells.length) continue;
    for (const [index, cell] of cells) for (const td of cellsAt(index, cell)) td.classList.add(kind);
    const texts = cells.slice(0, NAMED).map(([index, cell]) => name(index, cell));
    const more = cells.length > NAMED ? ` ${t('and_more', cells.length - NAMED)}` : '';
    line.append(h('span', {class: `key ${kind}`}, `${arrow} ${t(word)}`), ' ', h('code', {}, texts.join(' ')), more, ' ');
  }
}

/**
 * Choose a cell: the formula is then that cell's, and the cell is drawn anew.
 * @param {HTMLElement} td
 */
export function choose(td) {
  const of = td.dataset.of || '';
  const same = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll(`#step td[data-of="${of}"]`)]);
  const nth = same().indexOf(td); // of the tables that show it
  const [side, node, cell] = of.split(':');
  state.chosen = {graph: /** @type {Side} */ (side), node: +node, cell: +cell};
  changed();
  const again = same();
  if (again.length) focusCell(again[Math.min(again.length - 1, nth)]);
}

/**
 * Move the focus to a cell of its table.
 * @param {HTMLElement} td
 */
export function focusCell(td) {
  const table = /** @type {HTMLElement} */ (td.closest('.scroll'));
  for (const other of table.querySelectorAll('td')) other.tabIndex = -1;
  td.tabIndex = 0;
  td.focus();
}

/**
 * Mark, or no longer mark, the tables of a node that is named in the rule.
 * @param {string} of "side:node:cell" or "side:node"
 * @param {boolean} on
 */
export function markTables(of, on) {
  const figures = document.querySelectorAll(`#step [data-figure="${of.split(':').slice(0, 2).join(':')}"]`);
  for (const figure of figures) figure.classList.toggle('named', on);
}

/**
 * Open the field in which a cell can be changed; do nothing where it cannot.
 * @param {HTMLElement} td
 */
export function editCell(td) {
  const input = first(`#live input[data-at="${CSS.escape(td.dataset.of || '')}"]`);
  if (input) { byId('live').open = true; input.focus(); input.select(); }
}
