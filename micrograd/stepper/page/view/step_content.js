// One step as elements: the rule, the rule with numbers, and the arrays that it reads and makes.

import {backward, data, forward, isLeaf, nodeName, nodeOperands} from '../model/data.js';
import {arrivals, foldOf, isAfterLoss, pathsOf, readsOf, runningSums} from '../model/paths.js';
import {indexText, shapeText} from '../model/shapes.js';
import {state} from '../model/state.js';
import {t} from '../model/words.js';
import {arrayFigure} from './arrays.js';
import {h} from './elements.js';
import {breakLines, fillNumbers, mathOf} from './formulas.js';

/** @import {EdgeData, StepData} from '../model/data.js' */
/** @import {Path} from '../model/paths.js' */
/** @import {FigureOptions} from './arrays.js' */
/** @typedef {{hide: string, still: boolean}} StepOptions `hide`: what is to be predicted, number, shape or rule, if anything; `still`: on paper */

const MANY = 6; // paths up to which each is shown

/**
 * Make a sign between arrays, such as a plus.
 * @param {string} text
 * @returns {HTMLElement}
 */
const signOf = (text) => h('span', {class: 'sign', 'aria-hidden': 'true'}, text);

/**
 * Make a titled row of arrays.
 * @param {string} word the key of the title
 * @param {...any} content
 * @returns {HTMLElement}
 */
const section = (word, ...content) => h('div', {class: 'part'}, h('h3', {}, t(word)), h('div', {class: 'arrays'}, content));

/**
 * Say where a term of a sum comes from.
 * @param {Path} path
 * @returns {string}
 */
const originOf = (path) => (path.from === null || path.from === undefined
  ? t('path_seed', path.name) : t('path_from', path.name, nodeName(path.from)));

/**
 * Make everything that a step shows: its place and its title first, then the rest.
 * @param {StepData} s
 * @param {StepOptions} options
 * @returns {HTMLElement[]}
 */
export function stepContent(s, options) {
  const node = forward.nodes[s.node];
  const parts = [h('div', {class: 'where'},
    h('span', {class: `phase ${s.phase}`}, s.phase === 'forward' ? `→ ${t(isAfterLoss(s) ? 'after_loss' : 'forward')}` : `← ${t('backward')}`),
    s.stage !== null && data.stages[s.stage] ? h('span', {}, data.stages[s.stage].title) : null,
    node.source ? h('span', {}, t('line', node.source.line)) : null)];
  parts.push(h('h3', {class: 'title'}, s.title[state.language]));
  if (options.still) parts.push(h('p', {}, s.say[state.language]));
  parts.push(...formulas(s, options.hide));
  if (s.phase === 'forward') parts.push(...forwardContent(s, options));
  else if (s.edge) parts.push(...edgeContent(s, s.edge, options));
  else parts.push(...gradientContent(s, options));
  return parts;
}

/**
 * Make the rule with names and, unless the result is hidden, with numbers; nothing where nothing is computed.
 * @param {StepData} s
 * @param {string} hide
 * @returns {HTMLElement[]}
 */
function formulas(s, hide) {
  const node = forward.nodes[s.node], parts = [];
  if (hide === 'rule') return [];
  if (s.phase === 'forward' ? isLeaf(node) : !s.edge && !s.paths.length) return [];
  if (s.math.names) parts.push(h('h3', {}, t('rule')), mathOf(s.math.names));
  if (s.why.length) {
    parts.push(h('div', {class: 'why'}, h('h3', {}, t('why')), h('p', {}, s.why.map((reason) => t(`why_${reason}`)).join(' ')),
      s.edge && s.edge.local ? mathOf(s.edge.local) : null));
  }
  if (s.math.numbers && !hide) {
    const math = mathOf(s.math.numbers), cell = fillNumbers(math, s);
    math.classList.add('numbers');
    breakLines(math);
    const name = s.phase === 'forward' ? node.name : s.edge ? s.edge.name : `d${node.name}`;
    const shape = s.phase === 'backward' && s.edge ? forward.nodes[s.edge.operand].shape : node.shape;
    const label = t('numbers', `${name}${indexText(cell, shape)}`);
    math.setAttribute('aria-label', label);
    parts.push(h('h3', {}, label), math);
  }
  return parts;
}

/**
 * Make the arrays of a step forward: operands and result.
 * @param {StepData} s
 * @param {StepOptions} options
 * @returns {HTMLElement[]}
 */
function forwardContent(s, {hide, still}) {
  const node = forward.nodes[s.node], operands = [...new Set(nodeOperands(node))], parts = [];
  const {spread} = s;
  const note = (/** @type {number} */ o) => hide !== 'shape' && spread && spread.operands.includes(o)
    && `${shapeText(forward.nodes[o].shape)} → ${shapeText(spread.shape)}`;
  if (operands.length) parts.push(section('operands', operands.map((o) => arrayFigure('forward', o, {still, note: note(o)}))));
  if (hide !== 'shape') parts.push(section(isLeaf(node) ? 'value' : 'result', arrayFigure('forward', s.node, {still, out: true, hide: Boolean(hide)})));
  return parts;
}

/**
 * Make the arrays of a step along an edge: the gradient that arrives, what the rule reads, and what goes back.
 * @param {StepData} s
 * @param {EdgeData} edge
 * @param {StepOptions} options
 * @returns {HTMLElement[]}
 */
function edgeContent(s, edge, {hide, still}) {
  const node = forward.nodes[s.node], reads = readsOf(edge.grad, s.gradient), parts = [];
  const figure = (/** @type {number} */ index, /** @type {FigureOptions} */ more = {}) => arrayFigure('backward', index, {still, ...more});
  if (s.gradient !== null) parts.push(section('upstream', figure(s.gradient, {name: `d${node.name}`})));
  if (hide === 'rule') return parts;
  if (reads.length) parts.push(section('reads', reads.map((r) => figure(r))));
  if (hide === 'shape') return parts;
  const to = shapeText(forward.nodes[edge.operand].shape) || t('scalar'), out = [];
  let way = null;
  if (s.folded) {
    const summed = foldOf(edge.grad, s.gradient);
    if (summed !== null && summed !== s.gradient) out.push(figure(summed, {hide: Boolean(hide), name: t('fold_before', edge.name)}));
    out.push(h('span', {class: 'sign axis'}, `${t('fold_axis', s.folded.axes.join(', '))} →`));
    way = `${shapeText(summed === null ? node.shape : backward.nodes[summed].shape)} → ${to}`;
  } else if (s.spread) way = `${shapeText(node.shape) || t('scalar')} → ${to}`;
  out.push(figure(edge.grad, {out: true, hide: Boolean(hide), name: edge.name, note: way}));
  parts.push(section('contribution', out));
  const all = arrivals.get(edge.operand) || [];
  if (all.length > 1) parts.push(...sumContent(edge.operand, pathsOf(s), all, {hide, still}, null));
  return parts;
}

/**
 * Make the arrays of a step at a node: its gradient, as a sum where it arrives on several paths, and its value.
 * @param {StepData} s
 * @param {StepOptions} options
 * @returns {HTMLElement[]}
 */
function gradientContent(s, options) {
  const {paths, gradient} = s, {still} = options, parts = [];
  if (paths.length > 1 && (options.hide === 'shape' || options.hide === 'rule')) return [];
  if (paths.length > 1) parts.push(...sumContent(s.node, paths, paths, options, gradient));
  else if (gradient !== null) {
    parts.push(section('gradient', arrayFigure('backward', gradient, {still, out: true, name: `d${nodeName(s.node)}`})));
    if (paths.length) parts.push(h('p', {class: 'trace'}, originOf(paths[0])));
  }
  parts.push(section('value', arrayFigure('forward', s.node, {still})));
  return parts;
}

/**
 * Make a sum over paths: what has arrived so far, and what is still to come.
 * @param {number} operand the node whose gradient it is
 * @param {Path[]} here the terms that have arrived
 * @param {Path[]} all
 * @param {StepOptions} options
 * @param {number | null} total the whole gradient; null at an edge, where its own contribution stands above already
 * @returns {HTMLElement[]}
 */
function sumContent(operand, here, all, {hide, still}, total) {
  const name = `d${nodeName(operand)}`;
  const missing = all.filter((path) => !here.some((p) => p.name === path.name));
  const sums = runningSums(here), last = sums.at(-1), many = all.length > MANY;
  const few = (/** @type {string[]} */ texts, /** @type {string} */ join) =>
    (texts.length > MANY ? [...texts.slice(0, 3), '…', texts.at(-1)] : texts).join(join);
  const names = (/** @type {Path[]} */ paths) => paths.map((path) => path.name);
  /** @type {HTMLElement[]} */
  const content = [];
  if (total !== null) {
    here.forEach((path, i) => {
      if (many && i >= 3 && i < here.length - 1) { if (i === 3) content.push(signOf('+ …')); return; }
      if (i) content.push(signOf('+'));
      content.push(arrayFigure('backward', path.grad, {still, name: path.name}));
      const sum = sums[i];
      if (i && i < here.length - 1 && sum && !many) {
        const label = t('running', names(here.slice(0, i + 1)).join(' + '));
        content.push(signOf('='), arrayFigure('backward', sum.of, {still, name: label, cells: sum.cells, loose: true}));
      }
    });
    content.push(signOf('='), arrayFigure('backward', total, {still, out: true, hide: Boolean(hide), name}));
  } else if (here.length > 1 && last) {
    const label = `${few(names(here), ' + ')} ${missing.length ? t('so_far') : `= ${name}`}`;
    content.push(arrayFigure('backward', last.of, {still, hide: Boolean(hide), name: label, cells: last.cells, loose: true}));
  }
  const formula = h('h3', {}, t('sum', `${name} = ${few(names(all), ' + ')}`));
  const toCome = missing.length ? ` · ${t('still_to_come', few(names(missing), ', '))}` : '';
  const from = h('p', {class: 'trace'}, few(all.map(originOf), ' · '), toCome);
  return content.length ? [formula, h('div', {class: 'arrays'}, content), from] : [formula, from];
}
