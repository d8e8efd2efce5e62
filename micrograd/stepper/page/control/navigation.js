// From step to step: by number, by stage, to the other direction, and by itself.

import {steps} from '../model/data.js';
import {firsts} from '../model/paths.js';
import {currentStep, state} from '../model/state.js';
import {t} from '../model/words.js';
import {hideTip} from '../view/edge_tip.js';
import {byId} from '../view/elements.js';
import {bringCurrent} from '../view/graph_picture.js';
import {isHidden} from '../view/prediction.js';
import {render} from '../view/render.js';

/** @import {StepData} from '../model/data.js' */

/**
 * Go to a step, or to the nearest that there is.
 * @param {number} to
 * @param {boolean} [quiet] leave the address as it is
 */
export function go(to, quiet = false) {
  const target = Math.max(0, Math.min(steps.length - 1, Math.trunc(to) || 0));
  const focus = /** @type {any} */ (document.activeElement);
  if (target !== state.current) state.chosen = null;
  state.current = target;
  hideTip();
  render();
  if (state.predicting && byId('guess')) byId('guess').focus({preventScroll: true});
  else if (focus && !focus.isConnected) byId('happens').focus({preventScroll: true});
  if (focus && focus.disabled) byId('slider').focus();
  byId('happens').scrollTop = 0;
  bringCurrent();
  if (!quiet) try { history.replaceState(null, '', `#step=${target + 1}${state.iteration ? `&iteration=${state.iteration + 1}` : ''}`); } catch { /* a frame without an address */ }
}

/**
 * Go some steps on, or back.
 * @param {number} count
 */
export const goBy = (count) => go(state.current + count);

/** Go to the last step. */
export const goToEnd = () => go(steps.length - 1);

/**
 * Say whether two steps are of one stage and one direction.
 * @param {StepData} a
 * @param {StepData} b
 * @returns {boolean}
 */
const sameStage = (a, b) => a.phase === b.phase && (a.stage ?? null) === (b.stage ?? null);

/**
 * Go to the next stage, or to the beginning of this or the previous one.
 * @param {number} direction 1 or -1
 */
export function goStage(direction) {
  let at = state.current;
  if (direction > 0) {
    while (at < steps.length - 1 && sameStage(steps[at], currentStep())) at++;
  } else {
    if (at > 0) at--;
    while (at > 0 && sameStage(steps[at - 1], steps[at])) at--;
  }
  go(at);
}

/** Go to the other direction's step of the current node. */
export function turnRound() {
  const s = currentStep(), at = firsts[s.phase === 'forward' ? 'backward' : 'forward'][s.node];
  if (at !== undefined) go(at);
  else byId('say').textContent = t('no_other_direction');
}

/**
 * Go to the step of a node, in the direction of the current step where it has one.
 * @param {number} index
 */
export const goToNode = (index) => go(firsts[currentStep().phase][index] ?? firsts.forward[index]);

/**
 * Read the step that the address names.
 * @returns {number}
 */
export function stepInAddress() {
  const found = /(?:^#|&)step=(\d+)/.exec(location.hash);
  return found ? Number(found[1]) - 1 : 0;
}

/** @type {ReturnType<typeof setInterval> | null} */
let timer = null;

/** Say whether the walk goes on by itself. */
export const isPlaying = () => timer !== null;

/** Begin to go on by itself, or stop. */
export function play() {
  if (timer) { clearInterval(timer); timer = null; } else {
    if (state.current === steps.length - 1) go(0);
    const tick = () => { if (state.current === steps.length - 1 || isHidden()) play(); else goBy(1); };
    timer = setInterval(tick, 2000 / Number(byId('speed').value));
  }
  drawPlay();
}

/** Draw the button that plays or pauses. */
export function drawPlay() {
  byId('play').textContent = timer ? '❚❚' : '▶';
  byId('play').setAttribute('aria-label', t(timer ? 'pause' : 'play'));
}
