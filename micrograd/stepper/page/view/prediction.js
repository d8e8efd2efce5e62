// Predict first: the result is hidden until the reader has typed a guess, which is then judged.

import {follow} from '../model/cells.js';
import {backward, data, forward, nodeName} from '../model/data.js';
import {alone, minus, typed} from '../model/numbers.js';
import {foldOf, pathsOf, product} from '../model/paths.js';
import {indexText, unravel} from '../model/shapes.js';
import {changed, currentStep, state} from '../model/state.js';
import {values} from '../model/values.js';
import {t} from '../model/words.js';
import {byId, h} from './elements.js';

/** @import {Side} from '../model/data.js' */
/** @typedef {{side: Side, node: number, cells: Float64Array, cell: number}} Question one cell of one array */

/**
 * Return what the current step asks for: the chosen cell of its result, or the first; null where nothing is computed.
 * @returns {Question | null}
 */
function question() {
  const result = product(currentStep());
  if (result === null) return null;
  const [side, node] = result, cells = values[side][node], {chosen} = state;
  if (cells === null) return null;
  return {side, node, cells, cell: chosen && chosen.graph === side && chosen.node === node ? chosen.cell : 0};
}

/**
 * Say whether the result of the current step is hidden.
 * @returns {boolean}
 */
export const isHidden = () => state.predicting && !state.answers.has(state.current) && question() !== null;

/**
 * Find out whether a guess is one of the terms that the fold of a broadcast operand adds up to the cell.
 * @param {(a: number, b: number) => boolean} near
 * @param {number} guess
 * @param {number} cell
 * @returns {any[] | null} a word and what fills it
 */
function forgottenSum(near, guess, cell) {
  const s = currentStep();
  if (!s.edge || !s.folded) return null;
  const terms = foldOf(s.edge.grad, s.gradient), cells = terms === null ? null : values.backward[terms];
  if (terms === null || !cells) return null;
  const parts = follow(backward, s.edge.grad, cell, -1, (index) => index === terms);
  return parts.some(([, c]) => near(guess, cells[c])) ? ['predict_sum', s.folded.axes.join(', ')] : null;
}

/**
 * Find out whether a guess is the number on the other side of the diagonal.
 * @param {(a: number, b: number) => boolean} near
 * @param {number} guess
 * @param {number} cell
 * @returns {any[] | null} a word and what fills it
 */
function transposedCell(near, guess, cell) {
  const asked = question();
  if (!asked) return null;
  const {shape} = data.graphs[asked.side].nodes[asked.node], [row, column] = unravel(cell, shape).slice(-2);
  if (shape.length !== 2 || row === column || column >= shape[0] || row >= shape[1]) return null;
  const other = column * shape[1] + row;
  return near(guess, asked.cells[other]) ? ['predict_transposed', indexText(other, shape)] : null;
}

/**
 * Find what is wrong with a guess, as a word and what fills it; null where it is right.
 * @param {number} guess
 * @param {number} right
 * @param {number} cell
 * @returns {any[] | null}
 */
function verdict(guess, right, cell) {
  const near = (/** @type {number} */ a, /** @type {number} */ b) => Math.abs(a - b) <= Math.max(1e-2 * Math.abs(b), 1e-9);
  if (near(guess, right) || alone(guess) === alone(right)) return null;
  const forgotten = forgottenSum(near, guess, cell) ?? transposedCell(near, guess, cell);
  if (forgotten) return forgotten;
  const s = currentStep(), paths = s.phase === 'backward' ? pathsOf(s) : [];
  if (!s.edge && paths.length > 1) {
    const parts = paths.map((path) => { const cells = values.backward[path.grad]; return cells ? cells[cells.length === 1 ? 0 : cell] : NaN; });
    for (let mask = 1; mask < (1 << Math.min(paths.length, 10)) - 1; mask++) {
      const sum = parts.reduce((total, part, i) => total + ((mask >> i) & 1 ? part : 0), 0);
      if (near(guess, sum)) return ['predict_path', paths.filter((_, i) => !((mask >> i) & 1)).map((path) => path.name).join(', ')];
    }
  }
  if (near(-guess, right)) return ['predict_sign'];
  const ratio = guess / right;
  const sizes = [...new Set([2, ...forward.nodes.flatMap((node) => node.shape)])].filter((n) => n > 1);
  for (const n of sizes) for (const sign of [1, -1]) {
    if (near(ratio, sign * n)) return ['predict_factor', minus(`${sign * n}`)];
    if (near(ratio, sign / n)) return ['predict_factor', minus(`${sign < 0 ? '-' : ''}1/${n}`)];
  }
  return ['predict_unknown'];
}

/**
 * Judge a guess and show the result.
 * @param {string} text
 * @param {Question} asked
 */
function judge(text, asked) {
  const guess = typed(text), right = asked.cells[asked.cell];
  if (Number.isNaN(guess)) { byId('answer').textContent = t('predict_number'); return; }
  const wrong = verdict(guess, right, asked.cell);
  state.answers.set(state.current, wrong === null ? [['predict_right', alone(right)]]
    : [['predict_off', alone(right), alone(Math.abs(guess - right))], wrong]);
  changed();
  byId('answer').focus({preventScroll: true});
}

/**
 * Make the question, or what was found about the guess; null where the result was shown without one.
 * @returns {HTMLElement | null}
 */
export function questionContent() {
  const asked = question(), found = state.answers.get(state.current);
  if (asked === null) return found ? null : h('div', {class: 'ask'}, h('p', {}, t('predict_given')));
  if (found) {
    const text = found.map(([word, ...fill]) => t(word, ...fill)).join(' ');
    return h('div', {class: 'ask'}, h('p', {id: 'answer', role: 'status', tabindex: -1}, text));
  }
  const s = currentStep(), node = data.graphs[asked.side].nodes[asked.node];
  const name = s.phase === 'forward' ? node.name : s.edge ? s.edge.name : `d${nodeName(s.node)}`;
  const input = /** @type {HTMLInputElement} */ (h('input', {id: 'guess', type: 'text', inputmode: 'text', autocomplete: 'off'}));
  const submit = (/** @type {Event} */ event) => { event.preventDefault(); judge(input.value, asked); };
  const show = () => { state.answers.set(state.current, []); changed(); };
  const form = h('form', {onsubmit: submit},
    h('label', {for: 'guess'}, t('predict_ask', `${name}${indexText(asked.cell, node.shape)}`)), input,
    h('button', {type: 'submit'}, t('predict_check')),
    h('button', {type: 'button', onclick: show}, t('predict_show')));
  return h('div', {class: 'ask'}, form, h('p', {id: 'answer', role: 'status', tabindex: -1}));
}
