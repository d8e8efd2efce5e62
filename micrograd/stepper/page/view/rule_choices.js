// The rule of a step among rules with the usual mistakes in them, to choose from.

import {mathOf} from './formulas.js';

/** @import {StepData} from '../model/data.js' */
/** @typedef {{math: HTMLElement, wrong: string | null}} Choice a formula, and the word for what is wrong with it */

const MATHML_SPACE = 'http://www.w3.org/1998/Math/MathML';
const CHOICES = 4;

/**
 * Make a sign of a formula.
 * @param {string} kind
 * @param {string} text
 * @returns {Element}
 */
function sign(kind, text) {
  const element = document.createElementNS(MATHML_SPACE, kind);
  element.textContent = text;
  return element;
}

/**
 * Find the sign of equality of a formula.
 * @param {Element} math
 * @returns {Element | undefined}
 */
const equals = (math) => [...math.children].find((part) => part.localName === 'mo' && part.textContent === '=');

/**
 * The usual mistakes: each changes a formula into a wrong one and says whether it could.
 * @type {[string, (math: Element, s: StepData) => unknown][]}
 */
const MISTAKES = [
  ['rule_sum', (math) => {
    const sum = [...math.querySelectorAll('msub')].find((part) => part.firstElementChild?.textContent === '\u2211');
    sum?.remove();
    return sum;
  }],
  ['rule_path', (math) => {
    const plus = [...math.children].filter((part) => part.textContent === '+').at(-1), term = plus?.nextElementSibling;
    term?.remove();
    plus?.remove();
    return term;
  }],
  ['rule_transposed', (math) => {
    const power = [...math.querySelectorAll('msup')].find((part) => part.lastElementChild?.textContent === 'T');
    if (power?.firstElementChild) power.replaceWith(power.firstElementChild);
    return power;
  }],
  ['rule_local', (math, s) => {
    const rest = [];
    for (let part = equals(math)?.nextElementSibling; part; part = part.nextElementSibling) rest.push(part);
    const upstream = s.edge && rest[0]?.querySelector(`[data-of="backward:${s.gradient}"]`);
    if (upstream) { for (const part of rest) part.remove(); math.append(upstream); }
    return upstream;
  }],
  ['predict_sign', (math) => {
    const start = equals(math), minus = [...math.querySelectorAll('mo')].find((part) => part.textContent === '\u2212');
    if (minus) minus.remove(); else start?.after(sign('mo', '\u2212'));
    return start;
  }],
  ['rule_factor', (math) => {
    const start = equals(math);
    start?.after(sign('mn', '2'), sign('mo', '\u00b7'));
    return start;
  }],
];

/**
 * List the choices of a step, the right one at a place that its number decides; empty where there is no rule to ask for.
 * @param {StepData} s
 * @param {number} number_
 * @returns {Choice[]}
 */
export function choicesOf(s, number_) {
  if (s.phase !== 'backward' || !s.math.names || (!s.edge && s.paths.length < 2)) return [];
  /** @type {Choice[]} */
  const choices = [];
  for (const [wrong, change] of MISTAKES) {
    const math = mathOf(s.math.names), inner = math.querySelector('math');
    if (inner && choices.length < CHOICES - 1 && change(inner, s)) choices.push({math, wrong});
  }
  choices.splice(number_ % (choices.length + 1), 0, {math: mathOf(s.math.names), wrong: null});
  return choices;
}
