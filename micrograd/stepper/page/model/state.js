// Where the reader is, and who is called when that changes.

import {data, steps} from './data.js';

/** @import {StepData} from './data.js' */
/** @import {Cell} from './cells.js' */

/**
 * What the reader chose: the step, the cell whose origins and readers light up, whether to predict first, the answers
 * given (words with what fills them, by step), whether a number was changed, the language, the iteration of a training, and what is asked for: a number, a shape or a rule.
 * @type {{current: number, chosen: Cell | null, predicting: boolean, answers: Map<number, any[][]>, edited: boolean, language: string, iteration: number, asking: string}}
 */
export const state = {current: 0, chosen: null, predicting: false, answers: new Map(), edited: false, language: data.lang, iteration: 0, asking: 'number'};

/**
 * Return the current step.
 * @returns {StepData}
 */
export const currentStep = () => steps[state.current];

/** @type {(() => void)[]} */
const listeners = [];

/**
 * Call a function at every change of the state.
 * @param {() => void} listener
 */
export const onChange = (listener) => { listeners.push(listener); };

/** Call the listeners: the state has changed. */
export const changed = () => listeners.forEach((listener) => listener());
