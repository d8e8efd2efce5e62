// The picture of the graph: what has been computed, what is current, which edges carry a gradient.

import {data, forward, nodeName} from '../model/data.js';
import {edgeKey, edgeSteps, firsts} from '../model/paths.js';
import {currentStep, state} from '../model/state.js';
import {t} from '../model/words.js';
import {squeeze} from './accordion.js';
import {bring, byId, first, h, svgElement} from './elements.js';

/** @import {Side} from '../model/data.js' */

/** @type {HTMLElement} */
export const canvas = first('.canvas');
/** @type {SVGSVGElement | null} */
let svg = null;
let natural = [1, 1]; // width and height at scale 1
let whole = 1; // the height with no stage folded
let scale = 1;
/**
 * The element of each node, or of its statement.
 * @type {Map<number, SVGElement>}
 */
const boxes = new Map();
/**
 * Elements with the nodes that they stand for; a leaf with many readers has one beside each.
 * @type {[SVGElement, number[]][]}
 */
const parts = [];
/**
 * The edges by their names, "source-target-slot".
 * @type {Record<Side, Map<string, SVGElement>>}
 */
const wires = {forward: new Map(), backward: new Map()};
/**
 * The stages that are folded.
 * @type {Set<number>}
 */
const closed = new Set();
/**
 * The phrases in the picture: element, what stands before, the key of the word, what fills it.
 * @type {[SVGElement, string, string, string][]}
 */
const phrases = [];

/** Put the picture into the page. */
export function drawGraph() {
  const text = data.svg.replace(/<style[\s\S]*?<\/style>/g, '').replace(/\sstyle="[^"]*"/g, ''); // the policy lets no other style in
  const parsed = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement;
  if (parsed.localName !== 'svg') return;
  const drawn = svg = /** @type {any} */ (document.importNode(parsed, true));
  for (const element of drawn.querySelectorAll('script, foreignObject, a, image, use')) element.remove();
  drawn.setAttribute('role', 'group');
  natural = drawn.getAttribute('viewBox').split(/\s+/).map(Number).slice(2);
  whole = natural[1];
  canvas.append(drawn);
  for (const element of drawn.querySelectorAll('[data-node]')) takeBox(element);
  forward.nodes.forEach((node, index) => { // an inner node of a statement stands in the statement's box
    if (boxes.has(index)) return;
    for (let i = forward.nodes.length - 1; i >= 0; i--) {
      const box = boxes.get(i);
      if (!box || forward.nodes[i].statement !== node.statement) continue;
      boxes.set(index, box);
      parts.find(([element]) => element === box)?.[1].push(index);
      break;
    }
  });
  for (const element of drawn.querySelectorAll('[data-edge]')) takeWire(element);
  for (const element of drawn.querySelectorAll('text')) { // the sentences that the drawer writes: a sum of paths, a sum over an axis
    const [, before, paths, axes] = /^(.*)\u03a3 \S+ (?:(\d+) \S+|\S+ ([\d, ]+))$/.exec(element.textContent) || [];
    if (paths || axes) phrases.push([element, before, paths ? 'paths_sum' : 'fold_axis', paths || axes]);
  }
  data.stages.forEach((_, index) => {
    const frame = stageFrame(index), ground = frame && frame.querySelector('rect');
    if (!frame || !ground) return;
    const [x, y, width, height] = ['x', 'y', 'width', 'height'].map((name) => Number(ground.getAttribute(name)));
    frame.append(svgElement('text', {x: x + width / 2, y: y + height - 7, 'text-anchor': 'middle', class: 'ink b', 'font-size': 14}));
  });
  zoomTo(Math.max(1.1, Math.min(1.15, (canvas.clientWidth - 4) / natural[0]))); // its smallest text has 10 pixels at scale 1
}

/**
 * Register the box of a node, which is then a button.
 * @param {SVGElement} element
 */
function takeBox(element) {
  const index = Number(element.dataset.node), all = (element.dataset.nodes || '').split(/[\s,]+/).filter(Boolean).map(Number);
  for (const i of [index, ...all]) if (!boxes.has(i)) boxes.set(i, element);
  parts.push([element, [...new Set([index, ...all])]]);
  element.setAttribute('role', 'button');
  element.setAttribute('tabindex', '-1');
}

/**
 * Register an edge and lay a wide, invisible line over it that is easy to point at.
 * @param {SVGElement} element
 */
function takeWire(element) {
  const direction = element.classList.contains('backward') ? 'backward' : 'forward', key = element.dataset.edge || '';
  wires[direction].set(key, element);
  for (const title of element.querySelectorAll('title')) title.remove();
  if (direction === 'forward') element.classList.add('forward');
  const path = element.matches('path') ? element : element.querySelector('path');
  if (!path || !element.matches('g')) return;
  const hit = /** @type {SVGElement} */ (path.cloneNode(false));
  hit.setAttribute('d', (path.getAttribute('d') || '').replace(/(?!^)M/g, 'L')); // over the text in the gap too
  hit.setAttribute('class', 'hit');
  if (direction === 'backward') hit.setAttribute('aria-hidden', 'true'); // the way back runs beside the way there: one stop for both
  else { hit.setAttribute('tabindex', '-1'); hit.setAttribute('role', 'img'); }
  hit.dataset.hit = key;
  for (const name of ['stroke-dasharray', 'stroke-width']) hit.removeAttribute(name);
  element.append(hit);
}

/**
 * Return the frame of a stage.
 * @param {number} index
 * @returns {SVGElement | null}
 */
export const stageFrame = (index) => svg && svg.querySelector(`#stage-${index}`);

/**
 * Scroll the picture so that the current node is in sight.
 * @param {boolean} [always] to the middle, even where it is in sight
 */
export function bringCurrent(always = false) {
  const here = boxes.get(currentStep().node);
  if (here) bring(here, canvas, always);
}

/**
 * Draw the picture at a scale.
 * @param {number} wanted
 */
export function zoomTo(wanted) {
  if (!svg) return;
  scale = Math.min(4, Math.max(0.15, wanted));
  svg.setAttribute('width', String(Math.round(natural[0] * scale)));
  svg.setAttribute('height', String(Math.round(natural[1] * scale)));
  bringCurrent(true);
}

/**
 * Draw the picture larger, or smaller, by a factor.
 * @param {number} factor
 */
export const zoomBy = (factor) => zoomTo(scale * factor);

/** Draw the whole picture in its pane. */
export const zoomToFit = () => zoomTo(Math.min((canvas.clientWidth - 4) / natural[0], (canvas.clientHeight - 4) / natural[1]));

/**
 * Fold a stage, or unfold it.
 * @param {number} index
 */
export function foldStage(index) {
  if (closed.has(index)) closed.delete(index); else closed.add(index);
  paint();
  if (svg) {
    const frames = [...closed].flatMap((stage) => stageFrame(stage) ?? []), [left, top, width] = (svg.getAttribute('viewBox') || '').split(/\s+/);
    natural[1] = whole - squeeze(svg, frames);
    svg.setAttribute('viewBox', [left, top, width, natural[1]].join(' '));
    zoomTo(scale);
  }
  drawStages();
}

/** Draw the list of stages. */
export function drawStages() {
  const list = first('#stages > div'), focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.stage;
  byId('stages').hidden = data.stages.length === 0;
  list.replaceChildren(...data.stages.map((stage, index) => {
    const folded = closed.has(index), label = t(folded ? 'expand' : 'collapse', stage.title);
    return h('button', {type: 'button', 'data-stage': index, 'aria-expanded': String(!folded), 'aria-label': label,
      onclick: () => foldStage(index)}, `${folded ? '▸' : '▾'} ${stage.title}`);
  }));
  if (focused !== undefined) list.querySelector(`[data-stage="${focused}"]`)?.focus();
}

/** Set the classes: what is still to come, what is there, what is current, which edges are lit, which stages folded. */
export function paint() {
  if (!svg) return;
  const s = currentStep();
  const reached = (/** @type {number} */ node) => firsts.forward[node] <= state.current;
  const graded = (/** @type {number} */ node) => firsts.backward[node] <= state.current;
  const isFolded = (/** @type {number} */ index) => { const {stage} = forward.nodes[index]; return stage !== null && closed.has(stage); };
  for (const [element, nodes] of parts) { // a statement's box counts as reached when its first node is
    element.classList.toggle('future', !nodes.some(reached));
    element.classList.toggle('graded', nodes.some(graded));
    element.classList.toggle('folded', isFolded(Number(element.dataset.node)));
    if (element.classList.toggle('current', nodes.includes(s.node))) { element.setAttribute('tabindex', '0'); element.setAttribute('aria-current', 'step'); }
    else if (element.hasAttribute('aria-current')) { element.setAttribute('tabindex', '-1'); element.removeAttribute('aria-current'); }
  }
  for (const [direction, map] of Object.entries(wires)) {
    for (const [key, element] of map) {
      const [source, target] = key.split('-').map(Number);
      const lit = s.phase === direction && (s.phase === 'forward' ? target === s.node : s.edge ? key === edgeKey(s) : source === s.node);
      element.classList.toggle('lit', lit);
      element.classList.toggle('future', direction === 'forward' && !reached(target));
      element.classList.toggle('away', direction === 'backward' && !((edgeSteps.get(key) ?? Infinity) <= state.current));
      element.classList.toggle('folded', isFolded(source) && isFolded(target) && forward.nodes[source].stage === forward.nodes[target].stage);
      const hit = element.querySelector('.hit[role]');
      const near = source === s.node || target === s.node ? '0' : '-1';
      if (hit && hit.getAttribute('tabindex') !== near) hit.setAttribute('tabindex', near);
    }
  }
  data.stages.forEach((stage, index) => {
    const frame = stageFrame(index), label = frame && frame.querySelector('text');
    if (frame) frame.classList.toggle('closed', closed.has(index));
    if (label) label.textContent = closed.has(index) ? `▸ ${stage.nodes.length}` : '';
  });
}

/** Write the words of the picture in the language that was chosen. */
export function drawPictureWords() {
  if (!svg) return;
  svg.setAttribute('aria-label', t('graph'));
  for (const [element, [index]] of parts) element.setAttribute('aria-label', t('node', nodeName(index)));
  for (const hit of /** @type {NodeListOf<SVGElement>} */ (svg.querySelectorAll('.hit[role]'))) {
    const [source, target] = (hit.dataset.hit || '').split('-').map(Number);
    hit.setAttribute('aria-label', t('edge', nodeName(source), nodeName(target)));
  }
  for (const [element, before, word, hole] of phrases) element.textContent = `${before}${t(word, hole)}`;
}
