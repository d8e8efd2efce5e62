// Arrays as figures: every cell in a table, or a summary where there are too many.

import {data, forward, isForwardValue} from '../model/data.js';
import {alone, number, writing} from '../model/numbers.js';
import {indexText, shapeText, unravel} from '../model/shapes.js';
import {values} from '../model/values.js';
import {t} from '../model/words.js';
import {h, svgElement} from './elements.js';

/** @import {Side, SummaryData} from '../model/data.js' */
/**
 * @typedef {object} FigureOptions
 * @property {string} [name] instead of the node's own
 * @property {string | false | null} [note] instead of the shape
 * @property {ArrayLike<number>} [cells] instead of the node's own
 * @property {boolean} [out] whether it is what the step brings forth
 * @property {boolean} [hide] whether its numbers are hidden until they are predicted
 * @property {boolean} [still] whether it stands on paper
 * @property {boolean} [loose] whether its cells belong to no node, as those of a sum so far
 */

const SHOWN = 64; // cells up to which an array is shown whole
const COLUMNS = 12;
const BARS = 12;

/**
 * Make the figure of one array: its name, its shape and its numbers.
 * @param {Side} side
 * @param {number} index
 * @param {FigureOptions} [options]
 * @returns {HTMLElement}
 */
export function arrayFigure(side, index, options = {}) {
  const node = data.graphs[side].nodes[index];
  const cells = options.cells || values[side][index];
  const name = options.name || node.name;
  const isGrad = side === 'backward' && !isForwardValue(node);
  const kind = `${isGrad ? 'grad' : ''} ${options.out ? 'out' : ''}`.trim();
  const caption = h('figcaption', {}, h('b', {}, name), ` ${options.note || shapeText(node.shape)}`);
  const figure = h('figure', {class: kind, 'data-figure': `${side}:${index}`}, caption);
  const {value} = node.from === null ? node : forward.nodes[node.from];
  if (!cells) figure.append(value && value.summary ? summaryOf(value.summary, name) : h('p', {}, t('no_value')));
  else if (cells.length <= SHOWN && (node.shape.at(-1) ?? 1) <= COLUMNS) figure.append(tables(side, index, cells, node.shape, name, options));
  else figure.append(options.hide ? h('p', {}, t('hidden')) : summaryOf(summarise(cells, node.shape), name));
  return figure;
}

/**
 * Make the tables of an array, one for each matrix in it.
 * @param {Side} side
 * @param {number} index
 * @param {ArrayLike<number>} cells
 * @param {number[]} shape
 * @param {string} name
 * @param {FigureOptions} options
 * @returns {HTMLElement}
 */
function tables(side, index, cells, shape, name, options) {
  const write = writing(cells), plainTable = options.still || options.loose;
  const columns = shape.at(-1) ?? 1, rows = shape.length > 1 ? /** @type {number} */ (shape.at(-2)) : 1;
  const box = h('div', {class: 'scroll'});
  for (let start = 0; start < cells.length; start += rows * columns) {
    if (shape.length > 2) box.append(h('div', {class: 'slice'}, `[${[...unravel(start, shape).slice(0, -2), ':', ':'].join(', ')}]`));
    const body = h('tbody', {role: 'rowgroup'});
    for (let row = 0; row < rows; row++) {
      const line = h('tr', {role: 'row'});
      for (let column = 0; column < columns; column++) {
        const cell = start + row * columns + column;
        const td = h('td', {'data-of': options.loose ? null : `${side}:${index}:${cell}`});
        if (options.hide) td.append(h('span', {'aria-label': t('hidden')}, '?'));
        else {
          td.append(write(cells[cell]));
          td.dataset.value = String(cells[cell]);
          td.title = `${name}${indexText(cell, shape)} = ${cells[cell]}`;
        }
        if (!plainTable) { td.setAttribute('role', 'gridcell'); td.tabIndex = cell === 0 ? 0 : -1; }
        line.append(td);
      }
      body.append(line);
    }
    box.append(h('table', plainTable ? {} : {role: 'grid', 'aria-label': `${name} ${shapeText(shape)}`}, body));
  }
  return box;
}

/**
 * Compute the summary of an array.
 * @param {ArrayLike<number>} cells
 * @param {number[]} shape
 * @returns {SummaryData}
 */
function summarise(cells, shape) {
  const all = Array.from(cells), finite = all.filter(Number.isFinite);
  let low = Infinity, high = -Infinity, total = 0;
  for (const x of finite) { low = Math.min(low, x); high = Math.max(high, x); total += x; }
  const bars = new Array(BARS).fill(0);
  for (const x of finite) bars[Math.min(BARS - 1, Math.floor(((x - low) / (high - low || 1)) * BARS))]++;
  const columns = shape.at(-1) ?? 1, corner = [];
  for (let row = 0; row < Math.min(3, all.length / columns); row++) corner.push(all.slice(row * columns, row * columns + Math.min(4, columns)));
  return {mean: finite.length ? total / finite.length : NaN, min: low, max: high, histogram: bars, corner};
}

/**
 * Make the list of mean, range, histogram and corner.
 * @param {SummaryData} summary
 * @param {string} name
 * @returns {HTMLElement}
 */
function summaryOf(summary, name) {
  const bars = summary.histogram, most = Math.max(1, ...bars);
  const picture = svgElement('svg', {
    viewBox: `0 0 ${bars.length * 10} 30`, width: bars.length * 10, height: 30, role: 'img', class: 'histogram',
    'aria-label': `${t('histogram')}, ${name}: ${bars.join(' ')}`,
  });
  bars.forEach((count, i) => {
    const height = (count / most) * 30;
    picture.append(svgElement('rect', {x: i * 10 + 1, y: 30 - height, width: 8, height}));
  });
  const corner = summary.corner.map((row) => row.map(number)), write = writing(corner.flat());
  const entry = (/** @type {string} */ word, /** @type {any} */ content) => [h('dt', {}, t(word)), h('dd', {}, content)];
  const cornerRows = corner.map((row) => h('tr', {}, row.map((x) => h('td', {'data-value': String(x)}, write(x)))));
  return h('div', {class: 'summary'}, h('dl', {},
    entry('mean', alone(number(summary.mean))),
    entry('range', `${alone(number(summary.min))} … ${alone(number(summary.max))}`),
    entry('histogram', picture),
    entry('corner', h('table', {}, h('tbody', {}, cornerRows)))));
}
