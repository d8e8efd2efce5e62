// The words of the page, in the language that was chosen.

import {data} from './data.js';
import {state} from './state.js';

/**
 * Return the text under a key, with its holes filled.
 * @param {string} key
 * @param {...any} fill for {0}, {1} ...
 * @returns {string}
 */
export function t(key, ...fill) {
  return data.words[state.language][key].replace(/\{(\d)\}/g, (_, hole) => fill[hole]);
}
