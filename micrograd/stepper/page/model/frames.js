// The iterations of a training: each has numbers of its own for the nodes that vary.

import {data} from './data.js';
import {number} from './numbers.js';
import {sizeOf} from './shapes.js';
import {changed, state} from './state.js';
import {given, values} from './values.js';

/** @import {Side, TrainingData} from './data.js' */

const training = /** @type {TrainingData} */ (data.training);
/** The loss of each iteration. */
export const losses = training.losses.map(number);

/**
 * Read the numbers of an iteration: float64, little-endian, in base 64.
 * @param {string} text
 * @returns {Float64Array}
 */
function decoded(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)), view = new DataView(bytes.buffer);
  return Float64Array.from({length: bytes.length / 8}, (_, i) => view.getFloat64(8 * i, true));
}

/**
 * Put the numbers of an iteration into the page.
 * @param {number} wanted from 0; the nearest that there is
 */
export function goToIteration(wanted) {
  state.iteration = Math.max(0, Math.min(losses.length - 1, Math.trunc(wanted) || 0));
  const frame = training.frames[state.iteration], numbers = decoded(frame.numbers);
  let at = 0, summary = 0;
  for (const [side, indices] of /** @type {[Side, number[]][]} */ (Object.entries(training.varies))) {
    for (const index of indices) {
      const node = data.graphs[side].nodes[index], {value} = node;
      if (value && value.summary) { value.summary = frame.summaries[summary++]; continue; }
      const size = sizeOf(node.shape);
      given[side][index] = numbers.slice(at, at += size);
    }
  }
  data.graphs.backward.nodes.forEach((node, index) => { if (node.from !== null) given.backward[index] = given.forward[node.from]; });
  values.forward = [...given.forward];
  values.backward = [...given.backward];
  state.answers = new Map();
  changed();
}
