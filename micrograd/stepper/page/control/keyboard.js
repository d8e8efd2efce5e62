// What the keys do, in a table and elsewhere.

import {changed, state} from '../model/state.js';
import {choose, focusCell} from '../view/chosen_cell.js';
import {hideTip} from '../view/edge_tip.js';
import {byId} from '../view/elements.js';
import {toggleHelp} from './help.js';
import {go, goBy, goStage, goToEnd, goToNode, play, turnRound} from './navigation.js';

/**
 * Handle a key in a table: arrows move the focus, Enter and the space bar choose the cell.
 * @param {KeyboardEvent} event
 * @returns {boolean} whether the key was for the table
 */
function tableKey(event) {
  const td = /** @type {HTMLElement} */ (event.target).closest('td[role="gridcell"]');
  if (!(td instanceof HTMLElement) || event.shiftKey) return false;
  if (event.key === 'Enter' || event.key === ' ') { if (!td.querySelector('span')) choose(td); return true; }
  if (!event.key.startsWith('Arrow')) return false;
  const row = /** @type {HTMLElement} */ (td.parentElement), rows = [.../** @type {HTMLElement} */ (td.closest('.scroll')).querySelectorAll('tr')];
  const line = rows.indexOf(/** @type {HTMLTableRowElement} */ (row)), column = [...row.children].indexOf(td);
  const goal = {ArrowLeft: td.previousElementSibling, ArrowRight: td.nextElementSibling,
    ArrowUp: rows[line - 1]?.children[column], ArrowDown: rows[line + 1]?.children[column]}[event.key];
  if (goal) focusCell(/** @type {HTMLElement} */ (goal));
  return true;
}

/**
 * Handle a key.
 * @param {KeyboardEvent} event
 */
export function pageKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const on = /** @type {HTMLElement} */ (event.target), slider = on === byId('slider');
  if (event.key === 'Escape') {
    hideTip();
    if (state.chosen) { state.chosen = null; changed(); }
    if (on.matches('input, select') && !slider) byId('happens').focus({preventScroll: true});
    return;
  }
  const idle = on === byId('guess') && byId('guess').value === '' && event.key.startsWith('Arrow'); // nothing typed: the arrows walk on
  if ((on.matches('input, select, textarea') && !slider && !idle) || (byId('help').open && event.key !== '?')) return;
  if (tableKey(event)) { event.preventDefault(); return; }
  if ((event.key === 'Enter' || event.key === ' ') && on.matches('[data-node]')) { event.preventDefault(); goToNode(Number(on.dataset.node)); return; }
  const free = !on.matches('button, summary, [data-node], td'); // there the space bar presses
  const action = {
    ArrowRight: () => (event.shiftKey ? goStage(1) : goBy(1)),
    ArrowLeft: () => (event.shiftKey ? goStage(-1) : goBy(-1)),
    Home: () => go(0), End: goToEnd, b: turnRound, B: turnRound,
    '/': () => byId('find').focus(), '?': toggleHelp, ' ': free ? play : undefined,
  }[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}
