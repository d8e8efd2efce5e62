// Predict first: the number, the shape or the rule is hidden until the reader has given a guess, which is then judged.

import {follow} from '../model/cells.js';
import {backward, data, forward, nodeName} from '../model/data.js';
import {near, roundedDigits, shapeVerdict, typedShape} from '../model/judging.js';
import {alone, minus, typed} from '../model/numbers.js';
import {foldOf, pathsOf, product} from '../model/paths.js';
import {indexText, shapeText, unravel} from '../model/shapes.js';
import {changed, currentStep, state} from '../model/state.js';
import {values} from '../model/values.js';
import {t} from '../model/words.js';
import {byId, h} from './elements.js';
import {choicesOf} from './rule_choices.js';

/** @import {Side} from '../model/data.js' */
/** @typedef {{side: Side, node: number, cells: Float64Array, cell: number}} Question one cell of one array */

/**
 * Return the cell that the current step asks for: the chosen one of its result, or the first; null where nothing is computed.
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
 * Return what is hidden of the current step: its number, its shape or its rule; empty where nothing is.
 * @returns {string}
 */
export function isHidden() {
  if (!state.predicting || state.answers.has(state.current)) return '';
  const asked = {number: () => question() !== null, shape: () => product(currentStep()) !== null,
    rule: () => choicesOf(currentStep(), state.current).length > 0}[state.asking];
  return asked && asked() ? state.asking : '';
}

/**
 * Find out whether a guess is one of the terms that the fold of a broadcast operand adds up to the cell.
 * @param {number} guess
 * @param {number} cell
 * @returns {any[] | null} a word and what fills it
 */
function forgottenSum(guess, cell) {
  const s = currentStep();
  if (!s.edge || !s.folded) return null;
  const terms = foldOf(s.edge.grad, s.gradient), cells = terms === null ? null : values.backward[terms];
  if (terms === null || !cells) return null;
  const parts = follow(backward, s.edge.grad, cell, -1, (index) => index === terms);
  return parts.some(([, c]) => near(guess, cells[c])) ? ['predict_sum', s.folded.axes.join(', ')] : null;
}

/**
 * Find out whether a guess is the number on the other side of the diagonal.
 * @param {number} guess
 * @param {number} cell
 * @returns {any[] | null} a word and what fills it
 */
function transposedCell(guess, cell) {
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
  const forgotten = forgottenSum(guess, cell) ?? transposedCell(guess, cell);
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
 * Answer the question of the current step and show the result.
 * @param {any[][]} found words with what fills them
 */
function answer(found) {
  state.answers.set(state.current, found);
  changed();
  byId('answer')?.focus({preventScroll: true});
}

/**
 * Judge a number.
 * @param {string} text
 * @param {Question} asked
 */
function judge(text, asked) {
  const guess = typed(text), right = asked.cells[asked.cell];
  if (Number.isNaN(guess)) { byId('answer').textContent = t('predict_number'); return; }
  const digits = roundedDigits(text, guess, right);
  if (near(guess, right) || alone(guess) === alone(right) || digits > 1) answer([['predict_right', alone(right)]]);
  else if (digits === 1 && Math.abs(guess - right) <= 0.25 * Math.abs(right)) answer([['predict_coarse', alone(right)]]);
  else answer([['predict_off', alone(right), alone(Math.abs(guess - right))], verdict(guess, right, asked.cell) || ['predict_unknown']]);
}

/**
 * Judge a shape.
 * @param {string} text
 * @param {number[]} right
 */
function judgeShape(text, right) {
  const guess = typedShape(text), s = currentStep();
  if (guess === null) { byId('answer').textContent = t('shape_bad'); return; }
  const summed = s.edge && s.folded ? foldOf(s.edge.grad, s.gradient) : null;
  const before = s.folded ? (summed === null ? forward.nodes[s.node] : backward.nodes[summed]).shape : null;
  const wrong = shapeVerdict(guess, right, before, s.folded ? s.folded.axes : []);
  const written = shapeText(right) || '()';
  answer(wrong === null ? [['predict_right', written]] : [['shape_is', written], wrong]);
}

/**
 * Make the list from which the reader chooses what to predict.
 * @returns {HTMLElement}
 */
function kinds() {
  const choose = (/** @type {Event} */ event) => {
    state.asking = /** @type {HTMLSelectElement} */ (event.target).value;
    state.answers = new Map();
    changed();
    byId('asking').focus();
  };
  const list = h('select', {id: 'asking', 'aria-label': t('ask_kind'), onchange: choose}, ['number', 'shape', 'rule'].map(
    (kind) => h('option', {value: kind, selected: kind === state.asking ? '' : null}, t(`ask_${kind}`))));
  return h('p', {}, `${t('ask_kind')} `, list);
}

/**
 * Make a form with one field.
 * @param {string} label
 * @param {(text: string) => void} submitted
 * @returns {HTMLElement}
 */
function fieldForm(label, submitted) {
  const input = /** @type {HTMLInputElement} */ (h('input', {id: 'guess', type: 'text', inputmode: 'text', autocomplete: 'off'}));
  return h('form', {onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); submitted(input.value); }},
    h('label', {for: 'guess'}, label), input,
    h('button', {type: 'submit'}, t('predict_check')),
    h('button', {type: 'button', onclick: () => answer([])}, t('predict_show')));
}

/**
 * Make the question, or what was found about the guess; null where the result was shown without one.
 * @returns {HTMLElement | null}
 */
export function questionContent() {
  const found = state.answers.get(state.current), hidden = isHidden(), s = currentStep();
  const status = (/** @type {string} */ text) => h('p', {id: 'answer', role: 'status', tabindex: -1}, text);
  const ask = (/** @type {any[]} */ ...content) => h('div', {class: 'ask'}, kinds(), content);
  if (found) return ask(status(found.map(([word, ...fill]) => t(word, ...fill)).join(' ')));
  if (!hidden) return ask(h('p', {}, t('predict_given')));
  const [side, index] = product(s) ?? ['backward', 0], node = data.graphs[side].nodes[index];
  const name = s.phase === 'forward' ? node.name : s.edge ? s.edge.name : `d${nodeName(s.node)}`;
  if (hidden === 'shape') return ask(fieldForm(t('shape_ask', name), (text) => judgeShape(text, node.shape)), status(''));
  if (hidden === 'rule') {
    const buttons = choicesOf(s, state.current).map(({math, wrong}) => h('button', {type: 'button', class: 'choice',
      onclick: () => answer(wrong === null ? [['rule_right']] : [[wrong]])}, math));
    return ask(h('p', {}, h('b', {}, t('rule_ask', name))), h('div', {class: 'choices'}, buttons), status(''));
  }
  const asked = /** @type {Question} */ (question());
  return ask(fieldForm(t('predict_ask', `${name}${indexText(asked.cell, node.shape)}`), (text) => judge(text, asked)), status(''));
}
