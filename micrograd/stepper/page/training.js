// The page of a walk through training: the page of a walk, with the iterations of the training above it.

import {stepInAddress} from './control/navigation.js';
import {begun} from './main.js';
import {goToIteration, losses} from './model/frames.js';
import {onChange, state} from './model/state.js';
import {byId} from './view/elements.js';
import {drawCurve, iterationAt} from './view/loss_curve.js';

/**
 * Read the iteration that the address names.
 * @returns {number}
 */
function iterationInAddress() {
  const found = /(?:^#|&)iteration=(\d+)/.exec(location.hash);
  return found ? Number(found[1]) - 1 : 0;
}

/**
 * Go to an iteration and write it into the address.
 * @param {number} wanted
 */
function show(wanted) {
  goToIteration(wanted);
  try { history.replaceState(null, '', `#step=${state.current + 1}&iteration=${state.iteration + 1}`); } catch { /* a frame without an address */ }
}

onChange(drawCurve);
byId('live').hidden = begun; // a number that changes would change all iterations after it
byId('iteration').max = losses.length;
byId('iteration').addEventListener('input', () => show(byId('iteration').value - 1));
byId('iteration-previous').addEventListener('click', () => show(state.iteration - 1));
byId('iteration-next').addEventListener('click', () => show(state.iteration + 1));
byId('curve').addEventListener('click', (/** @type {MouseEvent} */ event) => {
  const box = byId('curve').getBoundingClientRect();
  show(iterationAt((event.clientX - box.left) / box.width));
});
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /** @type {HTMLElement} */ (event.target).matches('input:not([type="range"]), select')) return;
  if (event.key === '[' || event.key === ']') show(state.iteration + (event.key === ']' ? 1 : -1));
});
addEventListener('hashchange', () => { if (stepInAddress() === state.current) goToIteration(iterationInAddress()); });
goToIteration(iterationInAddress());
