// The page of a walk: listens to the reader and begins. micrograd.stepper.page joins the modules that this one imports
// into one script, ahead of which `RULES` stands, written from the table's rows. Nothing here differentiates: the
// backward pass is a graph too, and runs like the other.

import {toggleHelp} from './control/help.js';
import {pageKey} from './control/keyboard.js';
import {go, goBy, goStage, goToEnd, isPlaying, play, stepInAddress, turnRound} from './control/navigation.js';
import {endSearch, search, searchKey} from './control/node_search.js';
import {drawDividers, listenToDividers} from './control/panes.js';
import {listenToPicture, listenToTables} from './control/pointer.js';
import {drawPaper, endPaper} from './control/printing.js';
import {drawWords, nextTheme, switchLanguage, switchPredicting} from './control/settings.js';
import {steps} from './model/data.js';
import {onChange} from './model/state.js';
import {byId, first} from './view/elements.js';
import {bringCurrent, canvas, drawGraph, zoomBy, zoomToFit} from './view/graph_picture.js';
import {render} from './view/render.js';
import {bringSource} from './view/source_code.js';

onChange(render);

const ACTIONS = {
  first: () => go(0), last: goToEnd, previous: () => goBy(-1), next: () => goBy(1), 'previous-stage': () => goStage(-1),
  'next-stage': () => goStage(1), play, turn: turnRound, 'help-open': toggleHelp, 'help-close': () => byId('help').close(),
  'zoom-in': () => zoomBy(1.25), 'zoom-out': () => zoomBy(1 / 1.25), 'zoom-fit': zoomToFit, theme: nextTheme,
  language: switchLanguage, predict: switchPredicting,
};
for (const [id, action] of Object.entries(ACTIONS)) byId(id).addEventListener('click', action);
byId('speed').addEventListener('change', () => { if (isPlaying()) { play(); play(); } });
byId('slider').max = steps.length;
byId('slider').addEventListener('input', () => go(byId('slider').value - 1));
byId('skip').addEventListener('click', (/** @type {Event} */ event) => { event.preventDefault(); byId('happens').focus(); });
byId('find').addEventListener('input', search);
byId('find').addEventListener('keydown', searchKey);
byId('find').addEventListener('blur', () => endSearch());
byId('hits').addEventListener('mousedown', (/** @type {Event} */ event) => {
  event.preventDefault();
  const hit = /** @type {HTMLElement} */ (event.target).closest('[data-to]');
  if (hit instanceof HTMLElement) endSearch(Number(hit.dataset.to));
});
document.addEventListener('keydown', pageKey);
addEventListener('hashchange', () => go(stepInAddress(), true));
addEventListener('resize', drawDividers);
const panes = new ResizeObserver(() => { bringCurrent(); bringSource(); }); // a pane has another size: what it showed is elsewhere
panes.observe(canvas);
panes.observe(first('.code'));
addEventListener('beforeprint', drawPaper);
addEventListener('afterprint', endPaper);
matchMedia('print').addEventListener('change', (event) => { if (event.matches) drawPaper(); else endPaper(); });

/** What stands on this page begins after it. */
export const begun = true;

drawGraph();
listenToPicture();
listenToTables();
listenToDividers();
drawWords();
go(stepInAddress(), true);
