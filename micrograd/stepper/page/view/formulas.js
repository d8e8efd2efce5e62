// Formulas: MathML from the data of the walk, with the numbers of the chosen cell.

import {follow} from '../model/cells.js';
import {data} from '../model/data.js';
import {alone} from '../model/numbers.js';
import {unravel} from '../model/shapes.js';
import {currentStep, state} from '../model/state.js';
import {values} from '../model/values.js';
import {t} from '../model/words.js';
import {h} from './elements.js';

/** @import {Side, StepData} from '../model/data.js' */

const MATHML = 'http://www.w3.org/1998/Math/MathML';
const ATTRIBUTES = ['display', 'data-of', 'mathvariant', 'stretchy', 'fence', 'form', 'lspace', 'rspace', 'displaystyle',
  'accent', 'columnalign', 'linethickness', 'width', 'separator', 'scriptlevel', 'movablelimits'];

/**
 * Make the element of a formula; whatever the text holds, only elements and attributes of MathML come through.
 * @param {string} text as mathml.py wrote it
 * @returns {HTMLElement}
 */
export function mathOf(text) {
  const box = h('div', {class: 'math', role: 'group', 'aria-label': t('rule')});
  const parsed = new DOMParser().parseFromString(`<p>${text.replace('<math', `<math xmlns="${MATHML}"`)}</p>`, 'application/xml');
  if (parsed.querySelector('parsererror')) return box;
  for (const element of parsed.documentElement.querySelectorAll('*')) {
    if (element.namespaceURI !== MATHML || !/^m[a-z]+$/.test(element.localName)) { element.remove(); continue; }
    for (const {name} of [...element.attributes]) if (!ATTRIBUTES.includes(name)) element.removeAttribute(name);
  }
  for (const row of parsed.documentElement.querySelectorAll('mrow')) { // brackets grow around a fraction, and around nothing else
    if (row.querySelector('mfrac')) continue;
    for (const sign of row.children) if ('()|'.includes(sign.textContent || ' ')) sign.setAttribute('stretchy', 'false');
  }
  box.append(...[...parsed.documentElement.children].map((math) => document.importNode(math, true)));
  return box;
}

/**
 * Cut a long formula ahead of its signs of equality and the terms of its sum, so that it goes on in the next line.
 * @param {HTMLElement} box with one formula
 */
export function breakLines(box) {
  const whole = box.firstElementChild;
  if (!whole || whole.localName !== 'math') return;
  const signs = ['=', '+', '\u2212', '\u22ef'], parts = [...whole.children].flatMap((part) => (part.localName === 'mrow' && part.children.length > 2
    && [...part.children].some((sign) => sign.localName === 'mo' && sign.textContent === '+') ? [...part.children] : [part]));
  /** @type {Element[][]} */
  const lines = [[]];
  for (const part of parts) {
    if (part.localName === 'mo' && signs.includes(part.textContent || '') && lines[lines.length - 1].length) {
      part.setAttribute('form', 'infix'); // with the room of a sign between two terms
      lines.push([]);
    }
    lines[lines.length - 1].push(part);
  }
  box.replaceChildren(...lines.map((line) => { const math = document.createElementNS(MATHML, 'math'); math.append(...line); return math; }));
}

/**
 * Put the numbers of the chosen cell, as they are now, into a formula that was written for cell 0.
 *
 * "forward:3:0" marks cell 0 of node 3 of the forward graph. The i-th cell of a node that cell 0 comes from gives way
 * to the i-th that the chosen cell comes from: origins are in the same order for every cell.
 * @param {HTMLElement} math
 * @param {StepData} s
 * @returns {number} the cell
 */
export function fillNumbers(math, s) {
  const tags = [...math.querySelectorAll('mn[data-of]')].map((element) => {
    const [side, index, cell] = /** @type {HTMLElement} */ (element).dataset.of?.split(':') ?? [];
    return {element, side: /** @type {Side} */ (side), index: +index, cell: +cell};
  });
  const side = s.phase, index = /** @type {number} */ (side === 'forward' ? s.node : s.edge ? s.edge.grad : s.gradient);
  const {chosen} = state;
  const wanted = s === currentStep() && chosen && chosen.graph === side && chosen.node === index ? chosen.cell : 0;
  if (!state.edited && !wanted && !state.iteration) return 0;
  const graph = data.graphs[side];
  const parts = new Set(tags.filter((tag) => tag.side === side && tag.index !== index).map((tag) => tag.index));
  const originsOf = (/** @type {number} */ cell) => {
    const lists = new Map([[index, [cell]]]);
    for (const [node, c] of follow(graph, index, cell, -1, (other) => parts.has(other))) {
      lists.set(node, [...(lists.get(node) || []), c].sort((a, b) => a - b));
    }
    return lists;
  };
  const from = originsOf(0), to = originsOf(wanted);
  for (const {element, ...tag} of tags) {
    const nth = from.get(tag.index)?.indexOf(tag.cell) ?? -1;
    const cell = tag.side === side && nth >= 0 ? to.get(tag.index)?.[nth] ?? tag.cell : tag.cell;
    const numbers = /** @type {Float64Array} */ (values[tag.side][tag.index]);
    const text = alone(numbers[cell], 4), before = element.previousElementSibling?.textContent;
    const own = /** @type {HTMLElement} */ (element.parentElement), bracketed = before === '(' && own.children.length === 3;
    if (text[0] !== '\u2212' && bracketed) own.replaceWith(element); // brackets were for the sign
    element.textContent = text[0] === '\u2212' && before && !'=('.includes(before) ? `(${text})` : text;
  }
  const place = [...math.querySelectorAll('mtext')].find((part) => part.textContent?.startsWith('['));
  if (place) place.textContent = `[${unravel(wanted, graph.nodes[index].shape).join(', ')}]`;
  return wanted;
}
