// Finding a node, or a gradient, by its name.

import {forward, nodeName, steps} from '../model/data.js';
import {firsts} from '../model/paths.js';
import {t} from '../model/words.js';
import {byId, h} from '../view/elements.js';
import {go} from './navigation.js';

/** @typedef {{name: string, to: number}} Target a name, and the step to go to */

const MOST = 12; // hits that are shown
const find = byId('find'), hits = byId('hits');
let best = -1; // the hit that Enter takes

/**
 * List every name that can be found: nodes of the forward graph, and gradients by the step that brings them.
 * @returns {Target[]}
 */
function listTargets() {
  const seen = new Set();
  return [
    ...forward.nodes.map((node, index) => ({name: node.name, to: firsts.forward[index]})),
    ...steps.map((s, to) => ({name: s.edge ? s.edge.name : s.phase === 'backward' ? `d${nodeName(s.node)}` : '', to})),
  ].filter((entry) => entry.name && entry.to !== undefined && !seen.has(entry.name) && seen.add(entry.name));
}

const targets = listTargets();

/** Show the names that hold what was typed, those with the earliest and tightest match first. */
export function search() {
  const wanted = find.value.trim().toLowerCase();
  const rank = (/** @type {Target} */ entry) => { const at = entry.name.toLowerCase().indexOf(wanted); return at < 0 ? Infinity : at * 100 + entry.name.length; };
  const found = wanted ? targets.filter((entry) => rank(entry) < Infinity).sort((a, b) => rank(a) - rank(b)).slice(0, MOST) : [];
  hits.replaceChildren(...found.map((entry, i) => h('li', {role: 'option', id: `hit-${i}`, 'data-to': entry.to, 'aria-selected': String(i === 0)}, entry.name)));
  if (wanted && !found.length) hits.append(h('li', {role: 'option', 'aria-disabled': 'true', 'aria-selected': 'false'}, t('find_none', find.value)));
  hits.hidden = !wanted;
  find.setAttribute('aria-expanded', String(!hits.hidden));
  select(found.length ? 0 : -1);
}

/**
 * Select a hit; -1 selects none.
 * @param {number} index
 */
function select(index) {
  best = index;
  [...hits.children].forEach((li, i) => li.setAttribute('aria-selected', String(i === index)));
  if (index >= 0) find.setAttribute('aria-activedescendant', `hit-${index}`); else find.removeAttribute('aria-activedescendant');
}

/**
 * Close the list of hits, and go to a step where one was taken.
 * @param {number} [to]
 */
export function endSearch(to) {
  hits.hidden = true;
  find.value = '';
  find.setAttribute('aria-expanded', 'false');
  select(-1);
  if (to !== undefined) { go(to); byId('happens').focus({preventScroll: true}); }
}

/**
 * Handle a key that is pressed while something is searched for.
 * @param {KeyboardEvent} event
 */
export function searchKey(event) {
  const count = hits.querySelectorAll('[data-to]').length;
  if (event.key === 'Enter' && best >= 0) endSearch(+hits.children[best].dataset.to);
  else if (event.key === 'ArrowDown' && count) select((best + 1) % count);
  else if (event.key === 'ArrowUp' && count) select((best - 1 + count) % count);
  else if (event.key === 'Escape') { endSearch(); byId('happens').focus({preventScroll: true}); }
  else return;
  event.preventDefault();
  event.stopPropagation();
}
