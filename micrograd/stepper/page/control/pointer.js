// The pointer on the picture and on the tables: a click, a drag, a wheel.

import {data} from '../model/data.js';
import {choose, editCell, markTables} from '../view/chosen_cell.js';
import {hideTip, showTip} from '../view/edge_tip.js';
import {byId} from '../view/elements.js';
import {canvas, foldStage, stageFrame, zoomBy} from '../view/graph_picture.js';
import {goToNode} from './navigation.js';

/** @type {{x: number, y: number, left: number, top: number} | null} */
let drag = null; // where it began
let dragged = false; // whether the picture was moved: then the click that ends it chooses nothing

/**
 * Find the element around what an event happened on.
 * @param {Event} event
 * @param {string} selector
 * @returns {any}
 */
const closest = (event, selector) => /** @type {any} */ (event.target).closest?.(selector);

/** Listen to the picture. */
export function listenToPicture() {
  data.stages.forEach((_, index) => {
    const frame = stageFrame(index);
    if (frame?.querySelector('rect')) frame.addEventListener('click', () => { if (!dragged) foldStage(index); });
  });
  for (const [name, action] of /** @type {[string, (hit: any) => void][]} */ ([
    ['mouseover', showTip], ['focusin', showTip], ['mouseout', hideTip], ['focusout', hideTip]])) {
    canvas.addEventListener(name, (event) => { const hit = closest(event, '.hit'); if (hit) action(hit); });
  }
  canvas.addEventListener('click', (event) => {
    const element = closest(event, '[data-node]');
    if (element && !dragged) goToNode(+element.dataset.node);
  });
  canvas.addEventListener('pointerdown', (event) => {
    dragged = false;
    if (event.button === 0 && event.pointerType === 'mouse') drag = {x: event.clientX, y: event.clientY, left: canvas.scrollLeft, top: canvas.scrollTop};
  });
  addEventListener('pointermove', (event) => {
    if (!drag) return;
    const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
    if (Math.hypot(dx, dy) > 4) { dragged = true; canvas.classList.add('drag'); }
    if (dragged) { canvas.scrollLeft = drag.left - dx; canvas.scrollTop = drag.top - dy; }
  });
  addEventListener('pointerup', () => { drag = null; canvas.classList.remove('drag'); });
  canvas.addEventListener('wheel', (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 1.12 : 1 / 1.12);
  }, {passive: false});
}

/** Listen to the tables and to the names in the rule. */
export function listenToTables() {
  const tables = byId('step');
  byId('near').addEventListener('click', (/** @type {Event} */ event) => {
    const element = closest(event, '[data-node]');
    if (element) goToNode(+element.dataset.node);
  });
  tables.addEventListener('click', (/** @type {Event} */ event) => {
    const td = closest(event, 'td[data-of]');
    if (td && !td.querySelector('span')) choose(td);
  });
  tables.addEventListener('dblclick', (/** @type {Event} */ event) => {
    const td = closest(event, 'td[data-of]');
    if (td) editCell(td);
  });
  for (const [name, on] of /** @type {[string, boolean][]} */ ([['mouseover', true], ['mouseout', false]])) {
    tables.addEventListener(name, (/** @type {Event} */ event) => {
      const named = closest(event, 'math [data-of]'); // a name in the rule shows its table
      if (named) markTables(named.dataset.of, on);
    });
  }
}
