// The dividers between the panes: dragged, or moved by the arrow keys; a double click puts them back.

import {byId, root} from '../view/elements.js';

const STEP = 24; // pixels for an arrow key
const LEAST = 120; // of a pane

const narrow = matchMedia('(max-width: 1080px)'); // there the source stands over the graph

/**
 * Describe what a divider moves: the pane ahead of it, its side that gives way, and the property of the style sheet.
 * @param {number} divider 1 or 2
 * @returns {{pane: HTMLElement, upright: boolean, property: string, room: number}}
 */
function moved(divider) {
  const main = byId('source').parentElement, upright = narrow.matches && divider === 1;
  const property = narrow.matches ? ['--source-height', '--left-width'][divider - 1] : ['--source-width', '--graph-width'][divider - 1];
  const pane = byId(divider === 1 || narrow.matches ? 'source' : 'graph');
  const room = upright ? main.clientHeight : main.clientWidth - (narrow.matches ? 0 : byId(divider === 1 ? 'graph' : 'source').clientWidth);
  return {pane, upright, property, room: room - 2 * LEAST};
}

/**
 * Give the pane ahead of a divider a size in pixels.
 * @param {number} divider
 * @param {number} size
 */
function resize(divider, size) {
  const {property, upright, room} = moved(divider), px = Math.round(Math.max(upright ? 70 : LEAST, Math.min(room, size)));
  root.style.setProperty(property, `${px}px`);
  byId(`divider-${divider}`).setAttribute('aria-valuenow', String(px));
}

/** Say to assistive technology how the dividers stand. */
export function drawDividers() {
  for (const divider of [1, 2]) {
    const {pane, upright, room} = moved(divider), element = byId(`divider-${divider}`), box = pane.getBoundingClientRect();
    element.setAttribute('aria-orientation', upright ? 'horizontal' : 'vertical');
    element.setAttribute('aria-valuemin', String(upright ? 70 : LEAST));
    element.setAttribute('aria-valuemax', String(Math.max(LEAST, Math.round(room))));
    element.setAttribute('aria-valuenow', String(Math.round(upright ? box.height : box.width)));
  }
}

/** Listen to the dividers. */
export function listenToDividers() {
  for (const divider of [1, 2]) {
    const element = byId(`divider-${divider}`);
    element.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => {
      event.preventDefault();
      element.setPointerCapture(event.pointerId);
      const box = moved(divider).pane.getBoundingClientRect(), from = [event.clientX, event.clientY];
      element.onpointermove = (/** @type {PointerEvent} */ now) =>
        resize(divider, moved(divider).upright ? box.height + now.clientY - from[1] : box.width + now.clientX - from[0]);
    });
    for (const name of ['pointerup', 'pointercancel']) element.addEventListener(name, () => { element.onpointermove = null; });
    element.addEventListener('dblclick', () => { root.style.removeProperty(moved(divider).property); drawDividers(); });
    element.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      const way = {ArrowLeft: -STEP, ArrowUp: -STEP, ArrowRight: STEP, ArrowDown: STEP}[event.key];
      if (way === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      const {pane, upright} = moved(divider), box = pane.getBoundingClientRect();
      resize(divider, (upright ? box.height : box.width) + way);
    });
  }
  narrow.addEventListener('change', drawDividers);
  drawDividers();
}
