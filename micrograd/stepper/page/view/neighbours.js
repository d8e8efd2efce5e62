// The neighbours of the current node, as a small picture for a screen on which the whole graph is far away.

import {forward, nodeName, nodeOperands, steps} from '../model/data.js';
import {edgeSteps} from '../model/paths.js';
import {currentStep} from '../model/state.js';
import {t} from '../model/words.js';
import {byId, svgElement} from './elements.js';

const WIDTH = 320, ROW = 30, HIGH = 24, COLUMN = 4; // of the picture, of a row, of a box; boxes in a column

/**
 * Every node that reads a node.
 * @type {Map<number, number[]>}
 */
const readersOf = new Map();
forward.nodes.forEach((node, index) => {
  for (const operand of new Set(nodeOperands(node))) readersOf.set(operand, [...(readersOf.get(operand) || []), index]);
});

/**
 * Shorten a name to what a box holds.
 * @param {string} name
 * @returns {string}
 */
const fitted = (name) => (name.length > 11 ? `${name.slice(0, 5)}…${name.slice(-5)}` : name);

/**
 * Draw one box of a node, with the gradient that comes back to it, or of how many more there are.
 * @param {number} x its middle
 * @param {number} y its middle
 * @param {string} text
 * @param {number | null} index
 * @param {string} gradient
 * @returns {SVGElement}
 */
function boxAt(x, y, text, index, gradient) {
  const group = svgElement('g', index === null ? {} : {'data-node': index}), high = gradient ? HIGH + 14 : HIGH;
  const label = svgElement('text', {x, y: y + (gradient ? -3 : 4)}), below = svgElement('text', {x, y: y + 12, class: 'gradient'});
  label.textContent = text;
  below.textContent = gradient;
  if (index !== null) group.append(svgElement('rect', {x: x - 44, y: y - high / 2, width: 88, height: high, rx: 5}));
  if (index === currentStep().node) group.setAttribute('class', 'current');
  group.append(label, ...(gradient ? [below] : []));
  return group;
}

/**
 * Draw an edge from one box to another.
 * @param {number[]} place where it begins, and ends
 * @param {number} source
 * @param {number} target
 * @returns {SVGElement}
 */
function edgeAt(place, source, target) {
  const s = currentStep(), [x, y, u, v] = place, middle = (x + u) / 2;
  const lit = s.phase === 'forward' ? target === s.node : s.edge ? s.node === target && s.edge.operand === source : source === s.node && edgeFrom(source, target);
  return svgElement('path', {d: `M${x} ${y}C${middle} ${y} ${middle} ${v} ${u} ${v}`, class: lit ? 'lit' : ''});
}

/**
 * Say whether a gradient comes back from one node to another.
 * @param {number} source
 * @param {number} target
 * @returns {boolean}
 */
const edgeFrom = (source, target) => [...edgeSteps].some(([key, step]) => key.startsWith(`${source}-${target}-`) && steps[step].node === target);

/** Draw the node of the current step, what it reads and what reads it. */
export function drawNeighbours() {
  const s = currentStep(), {node} = s, before = [...new Set(nodeOperands(forward.nodes[node]))], after = readersOf.get(node) || [];
  const rows = Math.max(1, ...[before, after].map((list) => Math.min(list.length, COLUMN + 1)));
  const height = rows * (s.edge ? ROW + 12 : ROW) + 4, middle = height / 2, columns = [46, WIDTH / 2, WIDTH - 46];
  const picture = svgElement('svg', {viewBox: `0 0 ${WIDTH} ${height}`, width: WIDTH, height, role: 'img', 'aria-label': t('near', nodeName(node))});
  const boxes = [boxAt(columns[1], middle, fitted(nodeName(node)), node, '')];
  for (const [list, x] of /** @type {[number[], number][]} */ ([[before, columns[0]], [after, columns[2]]])) {
    const shown = list.length > COLUMN + 1 ? list.slice(0, COLUMN) : list, many = shown.length + (shown.length < list.length ? 1 : 0);
    const step = s.edge && x < columns[1] ? ROW + 12 : ROW, top = (/** @type {number} */ i) => middle + (i - (many - 1) / 2) * step;
    shown.forEach((index, i) => {
      const ends = x < columns[1] ? [x + 44, top(i), columns[1] - 44, middle] : [columns[1] + 44, middle, x - 44, top(i)];
      picture.append(x < columns[1] ? edgeAt(ends, index, node) : edgeAt(ends, node, index));
      boxes.push(boxAt(x, top(i), fitted(nodeName(index)), index, s.edge && x < columns[1] && s.edge.operand === index ? fitted(s.edge.name) : ''));
    });
    if (many > shown.length) boxes.push(boxAt(x, top(many - 1), `+ ${list.length - shown.length}`, null, ''));
  }
  picture.append(...boxes);
  byId('near').replaceChildren(picture);
}
