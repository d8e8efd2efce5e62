// The command behind each button, as it would be typed, and the files that it writes.

import {isBackward} from './functions.js';

/** @typedef {'check' | 'walk' | 'draw' | 'derive' | 'exercise'} Action */
/** @typedef {{words: string[], wanted: string[]}} Command */
/**
 * @typedef {object} Asked what the page knows when a button is pressed
 * @property {string} file
 * @property {string} name of the function that was chosen
 * @property {string[]} names of all functions
 * @property {string[]} inputs of the check that the text asks for, as options
 * @property {string} hint
 * @property {string} lang
 * @property {number} width of the result, in pixels
 * @property {string} madeOf a layer, or empty for the function
 * @property {string} leftOut
 * @property {number} seed
 */

/**
 * Return the arguments that say what is checked: which pair; or where there is only one, with which inputs.
 * @param {Asked} asked
 * @returns {string[]}
 */
function pairOf({name, names, inputs}) {
  if (names.filter(isBackward).length < 2) return inputs;
  return [isBackward(name) ? '--backward' : '--forward', name];
}

/**
 * Return the command behind a button.
 * @param {Action} action
 * @param {Asked} asked
 * @returns {Command}
 */
export function commandOf(action, asked) {
  const {file, name, lang} = asked, target = `${file}:${name}`, inLanguage = lang === 'en' ? [] : ['--lang', lang];
  switch (action) {
    case 'check': return {
      words: ['check', file, ...pairOf(asked), '--hint', asked.hint, ...inLanguage, '-o', 'report.html'], wanted: ['report.html'],
    };
    case 'walk': return {words: ['walk', target, ...inLanguage, '-o', 'walk.html'], wanted: ['walk.html']};
    case 'draw': return {words: ['draw', target, '--width', String(asked.width), '-o', 'graph.svg'], wanted: ['graph.svg']};
    case 'derive': return {words: ['derive', target, ...inLanguage, '-o', 'derivation.html'], wanted: ['derivation.html']};
    default: return {
      words: ['exercise', asked.madeOf || target, '--kind', asked.leftOut, '--seed', String(asked.seed), ...inLanguage, '-o', 'exercise.py'],
      wanted: ['exercise.py', 'exercise_solution.py'],
    };
  }
}
