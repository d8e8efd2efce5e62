// The loss of every iteration as a curve, with the present one marked.

import {losses} from '../model/frames.js';
import {alone} from '../model/numbers.js';
import {state} from '../model/state.js';
import {t} from '../model/words.js';
import {byId, svgElement} from './elements.js';

const ACROSS = 300, UPRIGHT = 56, ROOM = 5;
const finite = losses.filter(Number.isFinite), low = Math.min(...finite), high = Math.max(...finite);

/**
 * Return where an iteration stands in the picture.
 * @param {number} index
 * @returns {[number, number]}
 */
const placeOf = (index) => [ROOM + (index / Math.max(1, losses.length - 1)) * (ACROSS - 2 * ROOM),
  UPRIGHT - ROOM - ((losses[index] - low) / (high - low || 1)) * (UPRIGHT - 2 * ROOM)];

/**
 * Return the iteration that stands at a place of the picture.
 * @param {number} x from 0 to 1
 * @returns {number}
 */
export const iterationAt = (x) => Math.round(((x * ACROSS - ROOM) / (ACROSS - 2 * ROOM)) * (losses.length - 1));

/** Draw the curve, and say in words which iteration is on show. */
export function drawCurve() {
  const {iteration} = state, loss = alone(losses[iteration]), number = iteration + 1;
  const said = t('iteration_of', number, losses.length, loss);
  const picture = svgElement('svg', {viewBox: `0 0 ${ACROSS} ${UPRIGHT}`, role: 'img', preserveAspectRatio: 'none',
    'aria-label': t('loss_curve', alone(losses[0]), alone(losses[losses.length - 1]), losses.length)});
  const points = losses.flatMap((x, i) => (Number.isFinite(x) ? [placeOf(i).join()] : []));
  picture.append(svgElement('polyline', {points: points.join(' ')}));
  if (Number.isFinite(losses[iteration])) {
    const [x, y] = placeOf(iteration);
    picture.append(svgElement('line', {x1: x, x2: x, y1: 0, y2: UPRIGHT}), svgElement('line', {x1: x, x2: x, y1: y, y2: y, class: 'here'}));
  }
  byId('curve').replaceChildren(picture);
  byId('iteration-words').textContent = said;
  byId('iteration').value = number;
  byId('iteration').setAttribute('aria-valuetext', said);
  byId('iteration-previous').disabled = iteration === 0;
  byId('iteration-next').disabled = iteration === losses.length - 1;
}
