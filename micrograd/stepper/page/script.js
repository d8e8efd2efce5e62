// The page of a walk. Ahead of this script stands `const RULES = {map: {mul: (x, a) => x[0] * x[1], ...}, reduce: ...}`,
// written from the table's rows. Nothing here differentiates: the backward pass is a graph too, and runs like the other.
(() => {
'use strict';

const data = JSON.parse(document.getElementById('data').textContent);
const byId = (id) => document.getElementById(id);
const root = document.documentElement;
const SHOWN = 64; // cells up to which an array is shown whole
const COLUMNS = 12;
const MANY = 6; // paths up to which each is shown
const SVG = 'http://www.w3.org/2000/svg';
const MATHML = 'http://www.w3.org/1998/Math/MathML';

// ---- elements and words -----------------------------------------------------------------------------------

function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === 'class') element.className = value;
    else if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

let language = data.lang;
function t(key, ...fill) {
  return data.words[language][key].replace(/\{(\d)\}/g, (_, hole) => fill[hole]);
}

/** Mathematics as it was written by mathml.py: MathML elements only, whatever the string holds. */
function mathOf(text) {
  const box = h('div', {class: 'math', role: 'group', 'aria-label': t('rule')});
  const parsed = new DOMParser().parseFromString(`<p>${text.replace('<math', `<math xmlns="${MATHML}"`)}</p>`, 'application/xml');
  const allowed = ['display', 'data-of', 'mathvariant', 'stretchy', 'fence', 'form', 'lspace', 'rspace', 'displaystyle',
    'accent', 'columnalign', 'linethickness', 'width', 'separator', 'scriptlevel', 'movablelimits'];
  if (parsed.querySelector('parsererror')) return box;
  for (const element of parsed.documentElement.querySelectorAll('*')) {
    if (element.namespaceURI !== MATHML || !/^m[a-z]+$/.test(element.localName)) { element.remove(); continue; }
    for (const {name} of [...element.attributes]) if (!allowed.includes(name)) element.removeAttribute(name);
  }
  box.append(...[...parsed.documentElement.children].map((math) => document.importNode(math, true)));
  return box;
}

// ---- numbers ----------------------------------------------------------------------------------------------

const number = (x) => (typeof x === 'number' ? x : typeof x === 'boolean' ? +x : Number(x)); // "NaN", "Infinity"
const minus = (text) => text.replace(/-/g, '\u2212');

function power(x, digits) {
  const [mantissa, exponent] = x.toExponential(digits).split('e');
  return `${mantissa}e${exponent.replace('+', '')}`;
}

/** One way of writing for all numbers of an array, so that their points stand under each other; 0 is exactly 0. */
function writing(cells) {
  const finite = [...cells].filter((x) => Number.isFinite(x) && x !== 0);
  const most = Math.max(0, ...finite.map(Math.abs));
  if (finite.every((x) => Number.isInteger(x) && Math.abs(x) < 1e6)) return (x) => plain(x) ?? minus(String(x));
  if (most >= 1e6 || most < 1e-3) return (x) => plain(x) ?? minus(power(x, 3));
  let places = Math.min(6, Math.max(1, 4 - Math.floor(Math.log10(most))));
  const small = (x) => Math.abs(x) < 0.5 * 10 ** -places;
  const idle = (x) => !small(x) && x.toFixed(places).endsWith('0') && Math.abs(x - Number(x.toFixed(places - 1))) < 1e-12 * most;
  while (places > 1 && finite.every(idle)) places--;
  return (x) => plain(x) ?? minus(small(x) ? power(x, 1) : x.toFixed(places));
}
const plain = (x) => (x === 0 ? '0' : Number.isNaN(x) ? 'NaN' : x === Infinity ? '\u221e' : x === -Infinity ? '\u2212\u221e' : null);

/** A number standing alone, with no idle zeros. */
function alone(x, digits = 5) {
  if (plain(x) !== null) return plain(x);
  const size = Math.abs(x);
  const text = (size >= 1e6 || size < 1e-3) ? power(x, digits - 1).replace(/\.?0+e/, 'e') : String(+x.toPrecision(digits));
  return minus(text);
}

/** What a reader typed: -0.25, 1e-3, 1/3, 0,5. NaN where it is no number. */
function typed(text) {
  const parts = text.trim().replace(/\u2212/g, '-').replace(/^([^,.]*),([^,.]*)$/, '$1.$2').split('/');
  if (parts.length > 2 || parts.some((part) => part.trim() === '')) return NaN;
  return parts.length === 2 ? Number(parts[0]) / Number(parts[1]) : Number(parts[0]);
}

// ---- arrays and the interpreter ---------------------------------------------------------------------------

const sizeOf = (shape) => shape.reduce((a, b) => a * b, 1);
const shapeText = (shape) => (shape.length ? `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})` : '');

function strides(shape) {
  const steps = new Array(shape.length);
  for (let axis = shape.length - 1, step = 1; axis >= 0; axis--) { steps[axis] = step; step *= shape[axis]; }
  return steps;
}

function place(cell, shape) { // flat index -> one index per axis
  const at = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) { at[axis] = cell % shape[axis]; cell = Math.floor(cell / shape[axis]); }
  return at;
}

/** The cell of an operand of shape `from` that broadcasting puts at `cell` of shape `to`. */
function spread(cell, from, to) {
  const at = place(cell, to), steps = strides(from), lead = to.length - from.length;
  return from.reduce((sum, size, axis) => sum + (size === 1 ? 0 : at[lead + axis] * steps[axis]), 0);
}

function reducedAxes(node, shape) {
  const axis = node.attrs.axis;
  if (axis === null || axis === undefined) return shape.map((_, i) => i);
  return (Array.isArray(axis) ? axis : [axis]).map((a) => (a + shape.length) % shape.length);
}

/** The cells that a matrix product multiplies for one cell of its result: [[cell of left, cell of right], ...]. */
function pairs(cell, out, left, right) {
  const a = left.length === 1 ? [1, left[0]] : left, b = right.length === 1 ? [right[0], 1] : right;
  const rows = a[a.length - 2], inner = a[a.length - 1], columns = b[b.length - 1];
  const batch = Math.floor(cell / (rows * columns)), row = Math.floor(cell / columns) % rows, column = cell % columns;
  const stack = out.slice(0, out.length - (left.length > 1) - (right.length > 1));
  const first = spread(batch, a.slice(0, -2), stack) * rows * inner, second = spread(batch, b.slice(0, -2), stack) * inner * columns;
  return Array.from({length: inner}, (_, k) => [first + row * inner + k, second + k * columns + column]);
}

/** For each kind: from which cells of the operands a cell comes, as [slot, cell] pairs. */
function origins(graph, index, cell) {
  const node = graph.nodes[index];
  const shapes = node.operands.map((o) => (typeof o === 'number' ? graph.nodes[o].shape : []));
  switch (node.kind) {
    case 'map': return shapes.map((shape, slot) => [slot, spread(cell, shape, node.shape)]);
    case 'reduce': {
      const [shape] = shapes, axes = reducedAxes(node, shape), steps = strides(shape);
      const kept = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
      const at = place(cell, kept.map((axis) => shape[axis]));
      let cells = [kept.reduce((sum, axis, i) => sum + at[i] * steps[axis], 0)];
      for (const axis of axes) cells = cells.flatMap((c) => Array.from({length: shape[axis]}, (_, i) => c + i * steps[axis]));
      return cells.sort((a, b) => a - b).map((c) => [0, c]);
    }
    case 'contract': return pairs(cell, node.shape, shapes[0], shapes[1]).flatMap(([a, b]) => [[0, a], [1, b]]);
    case 'move': {
      const found = node.cells.from ? [node.cells.from[cell]] : node.cells.to.flatMap((to, from) => (to === cell ? [from] : []));
      return found.map((from) => { // counted over the operands' cells, one operand after the other
        let slot = 0;
        for (; from >= sizeOf(shapes[slot]); slot++) from -= sizeOf(shapes[slot]);
        return [slot, from];
      });
    }
    default: return [];
  }
}

/** One node's value from its operands': four kinds, and the table's own scalar functions. */
function compute(graph, index, operands) {
  const node = graph.nodes[index];
  const out = new Float64Array(sizeOf(node.shape));
  const rule = node.op === 'cast' ? RULES.cast[node.attrs.dtype] : RULES.map[node.kind === 'reduce' ? RULES.reduce[node.op] : node.op];
  for (let cell = 0; cell < out.length; cell++) {
    const cells = origins(graph, index, cell).map(([slot, c]) => operands[slot][c]);
    switch (node.kind) {
      case 'map': out[cell] = Number(rule(cells, node.attrs)); break;
      case 'reduce': out[cell] = cells.reduce((a, b) => Number(rule([a, b], node.attrs))); break;
      case 'contract': for (let k = 0; k < cells.length; k += 2) out[cell] += cells[k] * cells[k + 1]; break;
      case 'move': for (const x of cells) out[cell] += x; // one, or all that a scatter brings to this cell
    }
  }
  return out;
}

const decode = (array) => (array && array.data ? Float64Array.from(array.data, number) : null);
const values = {}; // graph name -> per node: its numbers, or null
const given = {}; // the same, as the engine computed them
const inline = []; // inline numbers as the engine had them: [node, slot, number]
for (const [name, graph] of Object.entries(data.graphs)) {
  given[name] = graph.nodes.map((node) => decode(node.value));
  values[name] = given[name].map((array) => array && array.slice());
  graph.consumers = graph.nodes.map(() => []);
  graph.nodes.forEach((node, index) => node.operands.forEach((operand, slot) => {
    if (typeof operand === 'number') graph.consumers[operand].push([index, slot]);
    else { operand.number = number(operand.number); if (name === 'forward') inline.push([index, slot, operand.number]); }
  }));
}
const forward = data.graphs.forward, backward = data.graphs.backward || {nodes: [], outputs: [], consumers: []};
const isLeaf = (node) => ['input', 'parameter', 'constant'].includes(node.kind);
let edited = false;

function recompute() {
  for (const [name, graph] of Object.entries(data.graphs)) {
    graph.nodes.forEach((node, index) => {
      if (isLeaf(node)) {
        if (name === 'backward' && node.from !== null && node.from !== undefined) values.backward[index] = values.forward[node.from];
        return;
      }
      values[name][index] = compute(graph, index, node.operands.map((o) => (typeof o === 'number' ? values[name][o] : [o.number])));
    });
  }
}

function restore() {
  for (const name of Object.keys(data.graphs)) values[name] = given[name].map((array) => array && array.slice());
  for (const [index, slot, x] of inline) forward.nodes[index].operands[slot].number = x;
  edited = false;
}

// ---- where we are -----------------------------------------------------------------------------------------

const steps = data.steps;
let current = 0;
let chosen = null; // {graph, node, cell}: the cell whose ways light up
let predicting = false;
let answered = new Map(); // step -> what was said
const step = () => steps[current];
const nodeName = (index) => forward.nodes[index].name;
const gradName = (index) => backward.nodes[index].name;

/** All steps that bring a contribution to a node, in order of arrival. */
const arrivals = new Map();
steps.forEach((s, number_) => {
  if (!s.edge) return;
  if (!arrivals.has(s.edge.operand)) arrivals.set(s.edge.operand, []);
  arrivals.get(s.edge.operand).push({name: s.edge.name, grad: s.edge.grad, from: s.node, step: number_});
});

function pathsOf(s) {
  if (!s.edge) return s.paths || [];
  return (arrivals.get(s.edge.operand) || []).filter((path) => path.step <= steps.indexOf(s));
}

/** The array that a step brings forth: [graph name, node], or null where it is given. */
function product(s) {
  if (s.phase === 'forward') return isLeaf(forward.nodes[s.node]) ? null : ['forward', s.node];
  if (s.edge) return ['backward', s.edge.grad];
  return (s.paths || []).length > 1 && s.gradient !== null ? ['backward', s.gradient] : null;
}

// ---- showing arrays ---------------------------------------------------------------------------------------

/** A figure: the name, the shape and the numbers of one array. `options`: out, hide, still (paper), name. */
function arrayFigure(graphName, index, options = {}) {
  const node = data.graphs[graphName].nodes[index];
  const cells = options.cells || values[graphName][index];
  const name = options.name || node.name;
  const isGrad = graphName === 'backward' && !(node.from !== null && node.from !== undefined);
  const kind = `${isGrad ? 'grad' : ''} ${options.out ? 'out' : ''}`.trim();
  const caption = h('figcaption', {}, h('b', {}, name), ` ${options.note || shapeText(node.shape)}`);
  const figure = h('figure', {class: kind, 'data-figure': `${graphName}:${index}`}, caption);
  if (!cells) figure.append(node.value && node.value.summary ? summaryOf(node.value.summary, name) : h('p', {}, t('no_value')));
  else if (cells.length <= SHOWN && (node.shape.at(-1) ?? 1) <= COLUMNS) figure.append(grid(graphName, index, cells, node.shape, name, options));
  else figure.append(options.hide ? h('p', {}, t('hidden')) : summaryOf(summarise(cells, node.shape), name));
  return figure;
}

function grid(graphName, index, cells, shape, name, options) {
  const write = writing(cells);
  const columns = shape.at(-1) ?? 1, rows = shape.length > 1 ? shape.at(-2) : 1;
  const box = h('div', {class: 'scroll'});
  for (let start = 0; start < cells.length; start += rows * columns) {
    if (shape.length > 2) box.append(h('div', {class: 'slice'}, `[${[...place(start, shape).slice(0, -2), ':', ':'].join(', ')}]`));
    const body = h('tbody', {role: 'rowgroup'});
    for (let row = 0; row < rows; row++) {
      const line = h('tr', {role: 'row'});
      for (let column = 0; column < columns; column++) {
        const cell = start + row * columns + column;
        const td = h('td', {'data-of': options.loose ? null : `${graphName}:${index}:${cell}`});
        if (options.hide) td.append(h('span', {'aria-label': t('hidden')}, '?'));
        else { td.append(write(cells[cell])); td.dataset.value = String(cells[cell]); td.title = `${name}${indexText(cell, shape)} = ${cells[cell]}`; }
        if (options.still || options.loose) line.append(td);
        else { td.setAttribute('role', 'gridcell'); td.tabIndex = cell === 0 ? 0 : -1; line.append(td); }
      }
      body.append(line);
    }
    const plainTable = options.still || options.loose;
    box.append(h('table', plainTable ? {} : {role: 'grid', 'aria-label': `${name} ${shapeText(shape)}`}, body));
  }
  return box;
}

const indexText = (cell, shape) => (shape.length ? `[${place(cell, shape).join(', ')}]` : '');

function summarise(cells, shape) {
  let low = Infinity, high = -Infinity, total = 0, count = 0;
  for (const x of cells) if (Number.isFinite(x)) { low = Math.min(low, x); high = Math.max(high, x); total += x; count++; }
  const bars = new Array(12).fill(0);
  for (const x of cells) if (Number.isFinite(x)) bars[Math.min(11, Math.floor(((x - low) / (high - low || 1)) * 12))]++;
  const columns = shape.at(-1) ?? 1, corner = [];
  for (let row = 0; row < Math.min(3, cells.length / columns); row++) corner.push([...cells.slice(row * columns, row * columns + Math.min(4, columns))]);
  return {mean: count ? total / count : NaN, min: low, max: high, histogram: bars, corner};
}

function summaryOf(summary, name) {
  const bars = summary.histogram || [], most = Math.max(1, ...bars);
  const picture = document.createElementNS(SVG, 'svg');
  for (const [key, value] of Object.entries({viewBox: `0 0 ${bars.length * 10} 30`, width: bars.length * 10, height: 30, role: 'img', class: 'histogram'})) picture.setAttribute(key, value);
  picture.setAttribute('aria-label', `${t('histogram')}, ${name}: ${bars.join(' ')}`);
  bars.forEach((count, i) => {
    const bar = document.createElementNS(SVG, 'rect'), height = (count / most) * 30;
    for (const [key, value] of Object.entries({x: i * 10 + 1, y: 30 - height, width: 8, height})) bar.setAttribute(key, value);
    picture.append(bar);
  });
  const corner = (summary.corner || []).map((row) => row.map(number)), write = writing(corner.flat());
  const entry = (word, content) => [h('dt', {}, t(word)), h('dd', {}, content)];
  return h('div', {class: 'summary'}, h('dl', {},
    entry('mean', alone(number(summary.mean))),
    entry('range', `${alone(number(summary.min))} … ${alone(number(summary.max))}`),
    entry('histogram', picture),
    entry('corner', h('table', {}, h('tbody', {}, corner.map((row) => h('tr', {}, row.map((x) => h('td', {'data-value': String(x)}, write(x))))))))));
}

// ---- one step as a page -----------------------------------------------------------------------------------

const signOf = (text) => h('span', {class: 'sign', 'aria-hidden': 'true'}, text);
const section = (word, ...content) => h('div', {class: 'part'}, h('h3', {}, t(word)), h('div', {class: 'arrays'}, content));
const unique = (list) => [...new Set(list)];

/** The nodes of the backward graph that the rule of an edge reads: forward values, and its own product before a sum. */
function readsOf(gradIndex, stop) {
  const reads = new Set(), seen = new Set([stop]), queue = [gradIndex];
  while (queue.length) {
    const index = queue.pop();
    if (seen.has(index)) continue;
    seen.add(index);
    const node = backward.nodes[index];
    if (isLeaf(node)) { if (node.from !== null && node.from !== undefined) reads.add(index); continue; }
    node.operands.filter((o) => typeof o === 'number').forEach((o) => queue.push(o));
  }
  return [...reads].sort((a, b) => a - b);
}

/** What is summed over the broadcast axes on the way to the gradient of an edge: the operand of the nearest sum. */
function foldOf(index, stop) {
  const queue = [index];
  while (queue.length) {
    const node = backward.nodes[queue.shift()];
    if (node.kind === 'reduce') return node.operands[0];
    queue.push(...node.operands.filter((o) => typeof o === 'number' && o !== stop));
  }
  return null;
}

/** The contributions added one after the other, as the sweep adds them. */
function runningSums(paths) {
  const sums = [];
  for (const path of paths) {
    const cells = values.backward[path.grad], last = sums.at(-1);
    if (!cells || last === null) { sums.push(null); continue; }
    const shape = backward.nodes[path.grad].shape;
    if (!last) { sums.push({cells, shape, of: path.grad}); continue; }
    const bigger = cells.length >= last.cells.length ? {cells, shape, of: path.grad} : last;
    const sum = bigger.cells.map((_, i) => cells[cells.length === 1 ? 0 : i] + last.cells[last.cells.length === 1 ? 0 : i]);
    sums.push({cells: sum, shape: bigger.shape, of: bigger.of});
  }
  return sums;
}

function stepContent(s, options) {
  const node = forward.nodes[s.node], hide = options.hide, still = options.still;
  const figure = (graphName, index, more = {}) => arrayFigure(graphName, index, {still, ...more});
  const parts = [h('div', {class: 'where'},
    h('span', {class: `phase ${s.phase}`}, s.phase === 'forward' ? `→ ${t('forward')}` : `← ${t('backward')}`),
    s.stage !== null && s.stage !== undefined && data.stages[s.stage] ? h('span', {}, data.stages[s.stage].title) : null,
    node.source ? h('span', {}, t('line', node.source.line)) : null)];
  parts.push(h('h3', {class: 'title'}, s.title[language]));
  if (still) parts.push(h('p', {}, s.say[language]));
  const given_ = s.phase === 'forward' ? isLeaf(node) : !s.edge && !(s.paths || []).length; // nothing is computed
  if (s.math && s.math.names && !given_) {
    const math = mathOf(s.math.names);
    parts.push(h('h3', {}, t('rule')), math);
  }
  if (s.math && s.math.numbers && !hide && !given_) {
    const math = mathOf(s.math.numbers), cell = fillNumbers(math, s);
    math.classList.add('numbers');
    const name = s.phase === 'forward' ? node.name : s.edge ? s.edge.name : `d${node.name}`;
    const shape = s.phase === 'backward' && s.edge ? forward.nodes[s.edge.operand].shape : node.shape;
    math.setAttribute('aria-label', t('numbers', `${name}${indexText(cell, shape)}`));
    parts.push(h('h3', {}, math.getAttribute('aria-label')), math);
  }
  if (s.phase === 'forward') {
    const operands = node.operands.map((o) => (typeof o === 'number' ? o : null)).filter((o) => o !== null);
    const note = (o) => s.spread && s.spread.operands?.includes(o) && `${shapeText(forward.nodes[o].shape)} → ${shapeText(s.spread.shape)}`;
    if (operands.length) parts.push(section('operands', unique(operands).map((o) => figure('forward', o, {note: note(o)}))));
    parts.push(section(isLeaf(node) ? 'value' : 'result', figure('forward', s.node, {out: true, hide})));
  } else if (s.edge) {
    const reads = readsOf(s.edge.grad, s.gradient);
    if (s.gradient !== null) parts.push(section('upstream', figure('backward', s.gradient, {name: `d${node.name}`})));
    if (reads.length) parts.push(section('reads', reads.map((r) => figure('backward', r))));
    const to = shapeText(forward.nodes[s.edge.operand].shape) || t('scalar'), out = [];
    let way = null;
    if (s.folded) {
      const summed = foldOf(s.edge.grad, s.gradient);
      if (summed !== null && summed !== s.gradient) out.push(figure('backward', summed, {hide, name: t('fold_before', s.edge.name)}));
      out.push(h('span', {class: 'sign axis'}, `${t('fold_axis', s.folded.axes.join(', '))} →`));
      way = `${shapeText(summed === null ? node.shape : backward.nodes[summed].shape)} → ${to}`;
    } else if (s.spread) way = `${shapeText(node.shape) || t('scalar')} → ${to}`;
    out.push(figure('backward', s.edge.grad, {out: true, hide, name: s.edge.name, note: way}));
    parts.push(section('contribution', out));
    const all = arrivals.get(s.edge.operand), here = pathsOf(s);
    if (all.length > 1) parts.push(...sumContent(s.edge.operand, here, all, hide, still, null));
  } else {
    const paths = s.paths || [];
    if (paths.length > 1) parts.push(...sumContent(s.node, paths, paths, hide, still, s.gradient));
    else if (s.gradient !== null && s.gradient !== undefined) {
      parts.push(section('gradient', figure('backward', s.gradient, {out: true, name: `d${node.name}`})));
      if (paths.length) parts.push(h('p', {class: 'trace'}, origin(paths[0])));
    }
    parts.push(section('value', figure('forward', s.node)));
  }
  return parts.flat(Infinity).filter(Boolean);
}

const origin = (path) => (path.from === null || path.from === undefined ? t('path_seed', path.name) : t('path_from', path.name, nodeName(path.from)));

/** dxmu = dxmu1 + dxmu2, with what has arrived so far and what is still to come. */
function sumContent(operand, here, all, hide, still, total) {
  const name = `d${nodeName(operand)}`;
  const missing = all.filter((path) => !here.some((p) => p.name === path.name));
  const sums = runningSums(here), last = sums.at(-1), many = all.length > MANY;
  const few = (texts, join) => (texts.length > MANY ? [...texts.slice(0, 3), '…', texts.at(-1)] : texts).join(join);
  const content = [];
  if (total !== null) here.forEach((path, i) => { // at an edge its own contribution stands above already
    if (many && i >= 3 && i < here.length - 1) { if (i === 3) content.push(signOf('+ …')); return; }
    if (i) content.push(signOf('+'));
    content.push(arrayFigure('backward', path.grad, {still, name: path.name}));
    if (i && i < here.length - 1 && sums[i] && !many) {
      content.push(signOf('='), arrayFigure('backward', sums[i].of, {still, name: t('running', here.slice(0, i + 1).map((p) => p.name).join(' + ')), cells: sums[i].cells, loose: true}));
    }
  });
  if (total !== null) content.push(signOf('='), arrayFigure('backward', total, {still, out: true, hide, name}));
  else if (here.length > 1 && last) content.push(arrayFigure('backward', last.of, {still, hide, name: `${few(here.map((p) => p.name), ' + ')} ${missing.length ? t('so_far') : `= ${name}`}`, cells: last.cells, loose: true}));
  const formula = `${name} = ${few(all.map((path) => path.name), ' + ')}`;
  const from = h('p', {class: 'trace'}, few(all.map(origin), ' · '),
    missing.length ? ` · ${t('still_to_come', few(missing.map((path) => path.name), ', '))}` : '');
  return [h('h3', {}, `${t('sum')}: `, h('code', {}, formula)), content.length ? h('div', {class: 'arrays'}, content) : null, from];
}

/** The tagged numbers of a formula, which is written for cell 0, for the chosen cell and the numbers of now. Answers the cell.

"forward:3:0" is cell 0 of node 3 of the forward graph. The i-th cell of a node that cell 0 comes from gives way to the i-th that
the chosen cell comes from: origins are in the same order for every cell. */
function fillNumbers(math, s) {
  const tags = [...math.querySelectorAll('mn[data-of]')].map((element) => {
    const [graph, index, cell] = element.dataset.of.split(':');
    return {element, graph, index: +index, cell: +cell};
  });
  const [graph, index] = s.phase === 'forward' ? ['forward', s.node] : ['backward', s.edge ? s.edge.grad : s.gradient];
  const wanted = s === step() && chosen && chosen.graph === graph && chosen.node === index ? chosen.cell : 0;
  if (!edited && !wanted) return 0;
  const parts = new Set(tags.filter((tag) => tag.graph === graph && tag.index !== index).map((tag) => tag.index));
  const ways = (cell) => {
    const lists = new Map([[index, [cell]]]);
    for (const [node, c] of follow({graph, node: index, cell}, -1, (node) => parts.has(node))) lists.set(node, [...(lists.get(node) || []), c].sort((a, b) => a - b));
    return lists;
  };
  const from = ways(0), to = ways(wanted);
  for (const {element, ...tag} of tags) {
    const place_ = from.get(tag.index)?.indexOf(tag.cell) ?? -1;
    const cell = tag.graph === graph && place_ >= 0 ? to.get(tag.index)?.[place_] ?? tag.cell : tag.cell;
    const text = alone(values[tag.graph][tag.index][cell], 4), before = element.previousElementSibling?.textContent;
    const own = element.parentElement, bracketed = before === '(' && own.children.length === 3;
    if (text[0] !== '\u2212' && bracketed) own.replaceWith(element); // brackets were for the sign
    element.textContent = text[0] === '\u2212' && before && !'=('.includes(before) ? `(${text})` : text;
  }
  const subscript = math.querySelector('msub > mn:last-child');
  if (subscript) subscript.textContent = place(wanted, data.graphs[graph].nodes[index].shape).join(',');
  return wanted;
}

// ---- cells: where they come from and go to ----------------------------------------------------------------

/** From a cell, through nodes that are not on show, to the cells on show. `direction`: -1 to its origins, 1 onwards. */
function follow(start, direction, onShow) {
  const graph = data.graphs[start.graph];
  const found = new Map(), seen = new Set();
  let layer = [[start.node, start.cell]];
  while (layer.length && seen.size < 20000) {
    const next = [];
    for (const [index, cell] of layer) {
      const around = direction < 0
        ? origins(graph, index, cell).map(([slot, c]) => [graph.nodes[index].operands[slot], c]).filter(([o]) => typeof o === 'number')
        : goals(graph, index, cell);
      for (const [other, c] of around) {
        const key = `${start.graph}:${other}:${c}`;
        if (seen.has(key)) continue;
        seen.add(key);
        if (onShow(other)) found.set(key, [other, c]);
        else next.push([other, c]);
      }
    }
    layer = next;
  }
  return [...found.values()];
}

function goals(graph, index, cell) {
  const found = [];
  for (const [consumer, slot] of graph.consumers[index]) {
    const count = sizeOf(graph.nodes[consumer].shape);
    for (let c = 0; c < count; c++) if (origins(graph, consumer, c).some(([s, from]) => s === slot && from === cell)) found.push([consumer, c]);
  }
  return found;
}

function light() {
  const happens = byId('step');
  for (const td of happens.querySelectorAll('td')) td.classList.remove('chosen', 'from', 'to');
  const line = byId('trace');
  if (!line) return;
  line.replaceChildren();
  if (!chosen) return;
  const key = `${chosen.graph}:${chosen.node}:${chosen.cell}`;
  const cellsAt = (of) => happens.querySelectorAll(`td[data-of="${of}"]`);
  if (!cellsAt(key).length) { chosen = null; return; }
  const graph = data.graphs[chosen.graph], name = (index, cell) => `${graph.nodes[index].name}${indexText(cell, graph.nodes[index].shape)}`;
  const here = new Set([...happens.querySelectorAll('td[data-of]')].map((td) => td.dataset.of.split(':')).filter(([g]) => g === chosen.graph).map(([, index]) => +index));
  cellsAt(key).forEach((td) => td.classList.add('chosen'));
  line.append(h('code', {}, name(chosen.node, chosen.cell)), ' ');
  for (const [direction, kind, word, arrow] of [[-1, 'from', 'cell_from', '←'], [1, 'to', 'cell_to', '→']]) {
    let cells = follow(chosen, direction, (index) => here.has(index));
    if (!cells.length && direction > 0) cells = goals(graph, chosen.node, chosen.cell);
    if (!cells.length) continue;
    for (const [index, cell] of cells) cellsAt(`${chosen.graph}:${index}:${cell}`).forEach((td) => td.classList.add(kind));
    const most = 12, texts = cells.slice(0, most).map(([index, cell]) => name(index, cell));
    line.append(h('span', {class: `key ${kind}`}, `${arrow} ${t(word)}`), ' ', h('code', {}, texts.join(' ')), cells.length > most ? ` ${t('and_more', cells.length - most)}` : '', ' ');
  }
}

function choose(td) { // the formula is then that cell's; the cell is drawn anew
  const twin = [...document.querySelectorAll(`#step td[data-of="${td.dataset.of}"]`)].indexOf(td);
  const [graph, node, cell] = td.dataset.of.split(':');
  chosen = {graph, node: +node, cell: +cell};
  render();
  const again = [...document.querySelectorAll(`#step td[data-of="${td.dataset.of}"]`)];
  if (again.length) focusCell(again[Math.min(again.length - 1, twin)]);
}

function focusCell(td) {
  for (const other of td.closest('.scroll').querySelectorAll('td')) other.tabIndex = -1;
  td.tabIndex = 0;
  td.focus();
}

byId('step').addEventListener('click', (event) => {
  const td = event.target.closest('td[data-of]');
  if (td && !td.querySelector('span')) choose(td);
});
byId('step').addEventListener('dblclick', (event) => {
  const td = event.target.closest('td[data-of]');
  const input = td && document.querySelector(`#live input[data-at="${CSS.escape(td.dataset.of)}"]`);
  if (input) { byId('live').open = true; input.focus(); input.select(); }
});

for (const [event, on] of [['mouseover', true], ['mouseout', false]]) { // a name in the rule shows its table
  byId('step').addEventListener(event, (e) => {
    const named = e.target.closest?.('math [data-of]');
    if (named) for (const figure of document.querySelectorAll(`#step [data-figure="${named.dataset.of.split(':').slice(0, 2).join(':')}"]`)) figure.classList.toggle('named', on);
  });
}

function gridKey(event) {
  const td = event.target.closest('td[role="gridcell"]');
  if (!td || event.shiftKey) return false;
  if (event.key === 'Enter' || event.key === ' ') { if (!td.querySelector('span')) choose(td); return true; }
  const row = td.parentElement, rows = [...td.closest('.scroll').querySelectorAll('tr')], column = [...row.children].indexOf(td);
  const goal = {ArrowLeft: td.previousElementSibling, ArrowRight: td.nextElementSibling,
    ArrowUp: rows[rows.indexOf(row) - 1]?.children[column], ArrowDown: rows[rows.indexOf(row) + 1]?.children[column]}[event.key];
  if (!event.key.startsWith('Arrow')) return false;
  if (goal) focusCell(goal);
  return true;
}

// ---- predict first ----------------------------------------------------------------------------------------

const isHidden = () => predicting && product(step()) !== null && !answered.has(current) && askedCells() !== null;
function askedCells() {
  const [graphName, index] = product(step());
  return values[graphName][index];
}
function askedCell() {
  const [graphName, index] = product(step());
  return chosen && chosen.graph === graphName && chosen.node === index ? chosen.cell : 0;
}

/** What is wrong with a guess, as [word, holes]; null where it is right. */
function verdict(guess, right, cell) {
  const near = (a, b) => Math.abs(a - b) <= Math.max(2e-3 * Math.abs(b), 1e-9);
  if (near(guess, right) || alone(guess) === alone(right)) return null;
  const paths = step().phase === 'backward' ? pathsOf(step()) : [];
  if (!step().edge && paths.length > 1) {
    const parts = paths.map((path) => { const cells = values.backward[path.grad]; return cells ? cells[cells.length === 1 ? 0 : cell] : NaN; });
    for (let mask = 1; mask < (1 << Math.min(paths.length, 10)) - 1; mask++) {
      const sum = parts.reduce((total, part, i) => total + ((mask >> i) & 1 ? part : 0), 0);
      if (near(guess, sum)) return ['predict_path', paths.filter((_, i) => !((mask >> i) & 1)).map((path) => path.name).join(', ')];
    }
  }
  if (near(-guess, right)) return ['predict_sign'];
  const ratio = guess / right;
  const sizes = unique([2, ...forward.nodes.flatMap((node) => node.shape)]).filter((n) => n > 1);
  for (const n of sizes) for (const sign of [1, -1]) {
    if (near(ratio, sign * n)) return ['predict_factor', minus(`${sign * n}`)];
    if (near(ratio, sign / n)) return ['predict_factor', minus(`${sign < 0 ? '-' : ''}1/${n}`)];
  }
  return ['predict_unknown'];
}

function judge(text) {
  const guess = typed(text), cell = askedCell(), right = askedCells()[cell];
  if (Number.isNaN(guess)) { byId('answer').textContent = t('predict_number'); return; }
  const wrong = verdict(guess, right, cell);
  answered.set(current, wrong === null ? [['predict_right', alone(right)]]
    : [['predict_off', alone(right), alone(Math.abs(guess - right))], wrong]);
  render();
  byId('answer').focus({preventScroll: true});
}

function askContent() {
  const what = product(step());
  if (what === null || askedCells() === null) {
    if (answered.has(current)) return null;
    return h('div', {class: 'ask'}, h('p', {}, t('predict_given')));
  }
  if (answered.has(current)) {
    return h('div', {class: 'ask'}, h('p', {id: 'answer', role: 'status', tabindex: -1}, answered.get(current).map(([word, ...fill]) => t(word, ...fill)).join(' ')));
  }
  const node = data.graphs[what[0]].nodes[what[1]];
  const name = step().phase === 'forward' ? node.name : step().edge ? step().edge.name : `d${nodeName(step().node)}`;
  const input = h('input', {id: 'guess', type: 'text', inputmode: 'text', autocomplete: 'off'});
  const form = h('form', {onsubmit: (event) => { event.preventDefault(); judge(input.value); }},
    h('label', {for: 'guess'}, t('predict_ask', `${name}${indexText(askedCell(), node.shape)}`)), input,
    h('button', {type: 'submit'}, t('predict_check')),
    h('button', {type: 'button', onclick: () => { answered.set(current, []); render(); }}, t('predict_show')));
  return h('div', {class: 'ask'}, form, h('p', {id: 'answer', role: 'status', tabindex: -1}));
}

// ---- the source -------------------------------------------------------------------------------------------

function drawSource() {
  const code = document.querySelector('.code');
  code.replaceChildren();
  if (!data.sources.length) code.append(h('p', {}, t('no_source')));
  data.sources.forEach((source, block) => {
    code.append(h('h3', {}, `${source.file} · ${source.name}`));
    source.lines.forEach((line, i) => code.append(h('div', {class: 'row', 'data-line': `${block}:${source.first + i}`},
      h('span', {class: 'number', 'aria-hidden': 'true'}, String(source.first + i)), h('span', {class: 'text'}))));
  });
  markSource(null);
}

function markSource(source) {
  let first = null;
  data.sources.forEach((block, number_) => block.lines.forEach((line, i) => {
    const at = block.first + i, row = document.querySelector(`.code [data-line="${number_}:${at}"]`);
    const inside = source && source.block === number_ && at >= source.line && at <= source.endLine;
    const hash = line.search(/(^|\s)#/), comment = hash < 0 ? line.length : hash;
    const start = inside ? (at === source.line ? source.column : line.length - line.trimStart().length) : 0;
    const end = inside ? (at === source.endLine ? source.endColumn : line.length) : 0;
    const pieces = inside && end > start
      ? [line.slice(0, start), h('mark', {}, line.slice(start, end)), line.slice(end, Math.max(end, comment))] : [line.slice(0, comment)];
    row.classList.toggle('at', Boolean(inside));
    row.lastChild.replaceChildren(...pieces, h('span', {class: 'comment'}, line.slice(Math.max(comment, inside ? end : 0))));
    if (inside && !first) first = row;
  }));
  const code = document.querySelector('.code');
  if (!first) return;
  bring(first, code, false, true);
  const mark = first.querySelector('mark'), left = mark ? mark.offsetLeft : 0; // its beginning, with as much before it as there is room
  code.scrollLeft = mark && left + mark.offsetWidth > code.clientWidth ? Math.min(left - 60, left + mark.offsetWidth - code.clientWidth + 20) : 0;
}

const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

/** Scroll `box`, and nothing else, so that `element` is well inside. */
function bring(element, box, always = false, upright = false) {
  const a = element.getBoundingClientRect(), b = box.getBoundingClientRect();
  const room = (low, high, from, to) => (low < from + 30 || high > to - 30 || always ? (low + high) / 2 - (from + to) / 2 : 0);
  const left = upright ? 0 : room(a.left, a.right, b.left, b.right), top = room(a.top, a.bottom, b.top, b.bottom);
  if (left || top) box.scrollBy({left, top, behavior: calm() ? 'auto' : 'smooth'});
}

// ---- the picture ------------------------------------------------------------------------------------------

const canvas = document.querySelector('.canvas');
let svg = null, natural = [1, 1], scale = 1;
const boxes = new Map(); // node -> its element, or its statement's
const parts = []; // [element, the nodes it stands for]: a leaf with many readers has one beside each
const wires = {forward: new Map(), backward: new Map()}; // "source-target-slot" -> element
const closed = new Set(); // folded stages
const phrases = []; // [text element, what stands before, word, hole]

function drawGraph() {
  const text = data.svg.replace(/<style[\s\S]*?<\/style>/g, '').replace(/\sstyle="[^"]*"/g, ''); // the policy lets no other style in
  const parsed = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement;
  if (parsed.localName !== 'svg') return;
  svg = document.importNode(parsed, true);
  svg.querySelectorAll('script, foreignObject, a, image, use').forEach((element) => element.remove());
  svg.setAttribute('role', 'group');
  const [, , width, height] = svg.getAttribute('viewBox').split(/\s+/).map(Number);
  natural = [width, height];
  canvas.append(svg);
  for (const element of svg.querySelectorAll('[data-node]')) {
    const index = +element.dataset.node, all = (element.dataset.nodes || '').split(/[\s,]+/).filter(Boolean).map(Number);
    for (const i of [index, ...all]) if (!boxes.has(i)) boxes.set(i, element);
    parts.push([element, [...new Set([index, ...all])]]);
    element.setAttribute('role', 'button');
    element.setAttribute('tabindex', '-1');
  }
  forward.nodes.forEach((node, index) => { // an inner node of a statement stands in the statement's box
    if (boxes.has(index)) return;
    for (let i = forward.nodes.length - 1; i >= 0; i--) if (boxes.has(i) && forward.nodes[i].statement === node.statement) { boxes.set(index, boxes.get(i)); parts.find(([element]) => element === boxes.get(i))[1].push(index); break; }
  });
  for (const element of svg.querySelectorAll('[data-edge]')) {
    const direction = element.classList.contains('backward') ? 'backward' : 'forward';
    wires[direction].set(element.dataset.edge, element);
    element.querySelectorAll('title').forEach((title) => title.remove());
    if (direction === 'forward') element.classList.add('forward');
    const path = element.matches('path') ? element : element.querySelector('path');
    if (!path || !element.matches('g')) continue;
    const hit = path.cloneNode(false); // a wide, invisible line that is easy to point at
    hit.setAttribute('class', 'hit');
    if (direction === 'backward') hit.setAttribute('aria-hidden', 'true'); // the way back runs beside the way there: one stop for both
    else { hit.setAttribute('tabindex', '-1'); hit.setAttribute('role', 'img'); }
    hit.dataset.hit = element.dataset.edge;
    ['stroke-dasharray', 'stroke-width'].forEach((name) => hit.removeAttribute(name));
    element.append(hit);
  }
  for (const text of svg.querySelectorAll('text')) { // the sentences that the drawer writes: a sum of paths, a sum over an axis
    const [, first, paths, axes] = /^(.*)\u03a3 \S+ (?:(\d+) \S+|\S+ ([\d, ]+))$/.exec(text.textContent) || [];
    if (paths || axes) phrases.push([text, first, paths ? 'paths_sum' : 'fold_axis', paths || axes]);
  }
  data.stages.forEach((stage, index) => {
    const frame = frameOf(index), ground = frame && frame.querySelector('rect');
    if (!ground) return;
    const label = document.createElementNS(SVG, 'text');
    const middle = (from, size) => +ground.getAttribute(from) + +ground.getAttribute(size) / 2;
    for (const [key, value] of Object.entries({x: middle('x', 'width'), y: middle('y', 'height'), 'text-anchor': 'middle', class: 'ink b', 'font-size': 14})) label.setAttribute(key, value);
    label.textContent = '';
    frame.append(label);
    frame.addEventListener('click', () => { if (!dragged) fold(index); });
  });
  zoomTo(fitScale());
}

const frameOf = (index) => svg.querySelector(`#stage-${index}`);
const fitScale = () => Math.max(0.55, Math.min(1.15, (canvas.clientWidth - 4) / natural[0]));

function zoomTo(wanted) {
  scale = Math.min(4, Math.max(0.15, wanted));
  svg.setAttribute('width', Math.round(natural[0] * scale));
  svg.setAttribute('height', Math.round(natural[1] * scale));
  const here = boxes.get(step().node);
  if (here) bring(here, canvas, true);
}

function fold(index) {
  if (closed.has(index)) closed.delete(index); else closed.add(index);
  paint();
  drawStages();
}

function drawStages() {
  const place_ = document.querySelector('#stages > div'), focused = document.activeElement?.dataset?.stage;
  byId('stages').hidden = data.stages.length === 0;
  place_.replaceChildren(...data.stages.map((stage, index) => h('button', {type: 'button', 'data-stage': index, 'aria-expanded': String(!closed.has(index)),
    'aria-label': t(closed.has(index) ? 'expand' : 'collapse', stage.title), onclick: () => fold(index)}, `${closed.has(index) ? '▸' : '▾'} ${stage.title}`)));
  if (focused !== undefined) place_.querySelector(`[data-stage="${focused}"]`)?.focus();
}

/** Classes only: what is still to come, what is there, what is current, which edges are lit, which stages are folded. */
function paint() {
  if (!svg) return;
  const s = step();
  const reached = (node) => firsts.forward[node] <= current, graded = (node) => firsts.backward[node] <= current;
  const foldedStage = (index) => { const stage = forward.nodes[index].stage; return stage !== null && stage !== undefined && closed.has(stage); };
  for (const [element, nodes] of parts) { // a statement's box counts as reached when its first node is
    const here = nodes.includes(s.node);
    element.classList.toggle('future', !nodes.some(reached));
    element.classList.toggle('graded', nodes.some(graded));
    element.classList.toggle('folded', foldedStage(+element.dataset.node));
    if (element.classList.toggle('current', here)) { element.setAttribute('tabindex', '0'); element.setAttribute('aria-current', 'step'); }
    else if (element.hasAttribute('aria-current')) { element.setAttribute('tabindex', '-1'); element.removeAttribute('aria-current'); }
  }
  for (const [direction, map] of Object.entries(wires)) {
    for (const [key, element] of map) {
      const [source, target] = key.split('-').map(Number);
      const lit = s.phase === direction && (s.phase === 'forward' ? target === s.node : s.edge ? key === edgeKey(s) : source === s.node);
      element.classList.toggle('lit', lit);
      element.classList.toggle('future', direction === 'forward' && !reached(target));
      element.classList.toggle('away', direction === 'backward' && !(edgeSteps.get(key) <= current));
      element.classList.toggle('folded', foldedStage(source) && foldedStage(target) && forward.nodes[source].stage === forward.nodes[target].stage);
      const hit = element.querySelector('.hit[role]');
      const near = source === s.node || target === s.node ? '0' : '-1';
      if (hit && hit.getAttribute('tabindex') !== near) hit.setAttribute('tabindex', near);
    }
  }
  data.stages.forEach((stage, index) => {
    const frame = frameOf(index);
    if (!frame) return;
    frame.classList.toggle('closed', closed.has(index));
    const label = frame.querySelector('text');
    if (label) label.textContent = closed.has(index) ? `▸ ${stage.nodes.length}` : '';
  });
}

/** The first step of each node, forward and backward. */
const firsts = {forward: {}, backward: {}};
steps.forEach((s, index) => { if (!s.edge) firsts[s.phase][s.node] ??= index; });
const edgeKey = (s) => `${s.edge.operand}-${s.node}-${s.edge.slot}`;
const edgeSteps = new Map(steps.map((s, index) => [s, index]).filter(([s]) => s.edge).map(([s, index]) => [edgeKey(s), index]));

function showTip(hit) {
  const [source, target] = hit.dataset.hit.split('-').map(Number);
  const index = edgeSteps.get(hit.dataset.hit), tip = byId('tip');
  tip.replaceChildren();
  if (index === undefined) tip.append(t('edge_plain', nodeName(source), nodeName(target)));
  else {
    const s = steps[index], math = mathOf(s.edge.local || s.math.names);
    tip.append(h('div', {}, h('b', {}, s.edge.name), ` · ${t('edge', nodeName(source), nodeName(target))}`), h('div', {}, t(s.edge.local ? 'local' : 'rule')), math);
  }
  tip.hidden = false;
  hit.setAttribute('aria-describedby', 'tip');
  const at = hit.getBoundingClientRect(), frame = canvas.getBoundingClientRect(), size = tip.getBoundingClientRect();
  const x = (Math.max(at.left, frame.left) + Math.min(at.right, frame.right)) / 2, y = Math.min(at.bottom, frame.bottom);
  tip.style.left = `${Math.max(8, Math.min(innerWidth - size.width - 8, x - size.width / 2))}px`;
  tip.style.top = `${y + size.height + 14 < innerHeight ? y + 10 : Math.max(8, at.top - size.height - 10)}px`;
}
const hideTip = () => { byId('tip').hidden = true; };
for (const [event, action] of [['mouseover', showTip], ['focusin', showTip], ['mouseout', hideTip], ['focusout', hideTip]]) {
  canvas.addEventListener(event, (e) => { const hit = e.target.closest?.('.hit'); if (hit) action(hit); });
}

function toNode(index) {
  const wanted = step().phase;
  go(firsts[wanted][index] ?? firsts.forward[index]);
}
canvas.addEventListener('click', (event) => {
  const element = event.target.closest('[data-node]');
  if (element && !dragged) toNode(+element.dataset.node);
});

let drag = null, dragged = false;
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
  if (!event.ctrlKey || !svg) return;
  event.preventDefault();
  zoomTo(scale * (event.deltaY < 0 ? 1.12 : 1 / 1.12));
}, {passive: false});
byId('zoom-in').addEventListener('click', () => zoomTo(scale * 1.25));
byId('zoom-out').addEventListener('click', () => zoomTo(scale / 1.25));
byId('zoom-fit').addEventListener('click', () => zoomTo(Math.min((canvas.clientWidth - 4) / natural[0], (canvas.clientHeight - 4) / natural[1])));

// ---- live: change a number --------------------------------------------------------------------------------

/** What may be changed: leaves of the forward graph, the seeds, and inline numbers that no gradient depends on. */
function editable() {
  const list = [];
  forward.nodes.forEach((node, index) => { if ((node.kind === 'input' || node.kind === 'parameter') && values.forward[index]) list.push({graph: 'forward', index, name: node.name, shape: node.shape}); });
  forward.nodes.forEach((node, index) => node.operands.forEach((operand, slot) => {
    if (typeof operand === 'number' || !(operand.edit || node.op === 'add' || node.op === 'sub')) return;
    list.push({operand, name: operand.name || t('inline', alone(operand.number), node.name), shape: [], at: `inline:${index}:${slot}`});
  }));
  backward.nodes.forEach((node, index) => { if (node.kind === 'input' && (node.from === null || node.from === undefined) && values.backward[index]) list.push({graph: 'backward', index, name: node.name, shape: node.shape}); });
  return list;
}

function drawLive() {
  const box = document.querySelector('#live > div');
  box.replaceChildren();
  if (!data.limits || !data.limits.live) {
    const cells = Object.values(data.graphs).flatMap((g) => g.nodes).reduce((sum, node) => sum + sizeOf(node.shape), 0);
    box.append(h('p', {}, t('large', cells)));
    return;
  }
  const bad = h('p', {class: 'bad', role: 'status'});
  const field = (entry, cell) => {
    const read = () => (entry.operand ? entry.operand.number : values[entry.graph][entry.index][cell]);
    const at = entry.operand ? entry.at : `${entry.graph}:${entry.index}:${cell}`;
    const first = entry.operand ? inline.find(([i, s]) => `inline:${i}:${s}` === entry.at)[2] : given[entry.graph][entry.index][cell];
    const input = h('input', {type: 'text', inputmode: 'text', autocomplete: 'off', value: String(read()), 'data-at': at, 'aria-label': `${entry.name}${indexText(cell, entry.shape)}`});
    const mark = () => input.classList.toggle('edited', read() !== first && !(Number.isNaN(read()) && Number.isNaN(first)));
    mark();
    input.addEventListener('change', () => {
      const x = typed(input.value);
      input.setAttribute('aria-invalid', String(Number.isNaN(x)));
      bad.textContent = Number.isNaN(x) ? t('live_bad', input.value) : '';
      if (Number.isNaN(x)) return;
      if (entry.operand) entry.operand.number = x;
      else values[entry.graph][entry.index][cell] = x;
      edited = true;
      answered = new Map();
      recompute();
      mark();
      render();
    });
    return input;
  };
  const figures = editable().map((entry) => {
    const columns = entry.shape.at(-1) ?? 1, rows = sizeOf(entry.shape) / columns;
    if (sizeOf(entry.shape) > 400) return null;
    const body = h('tbody', {}, Array.from({length: rows}, (_, row) => h('tr', {}, Array.from({length: columns}, (_, column) => h('td', {}, field(entry, row * columns + column))))));
    return h('figure', {}, h('figcaption', {}, h('b', {}, entry.name), ` ${shapeText(entry.shape)}`), h('div', {class: 'scroll'}, h('table', {role: 'presentation'}, body)));
  });
  box.append(h('p', {}, t('live_help')), h('div', {class: 'arrays'}, figures.filter(Boolean)), bad,
    h('button', {type: 'button', id: 'reset', onclick: () => { restore(); answered = new Map(); drawLive(); render(); byId('reset').focus(); }}, t('reset')));
}

// ---- going --------------------------------------------------------------------------------------------------

function render() {
  const s = step();
  root.classList.toggle('backward', s.phase === 'backward');
  const hide = isHidden();
  const content = stepContent(s, {hide, still: false});
  const ask = predicting ? askContent() : null;
  byId('head').replaceChildren(...content.slice(0, 2));
  byId('step').replaceChildren(...(ask ? [ask] : []), ...content.slice(2), h('p', {class: 'trace', id: 'trace', 'aria-live': 'polite'}));
  for (const math of document.querySelectorAll('#step .math')) { // a long formula is set smaller before it scrolls
    const room = math.clientWidth / math.scrollWidth;
    if (room < 1) math.firstElementChild.style.fontSize = `${Math.max(0.8, room * 1.15)}rem`;
    if (math.clientWidth < math.scrollWidth) math.tabIndex = 0;
  }
  const said = `${s.say[language]}${edited ? ` (${t('live_changed')})` : ''}`;
  if (byId('say').textContent !== said) byId('say').textContent = said;
  markSource(forward.nodes[s.node].source);
  paint();
  light();
  const count = t('step_of', current + 1, steps.length);
  byId('count').textContent = count;
  byId('slider').value = current + 1;
  byId('slider').setAttribute('aria-valuetext', `${count}: ${s.title[language]}`);
  const turn = byId('turn');
  turn.textContent = s.phase === 'forward' ? `→ ${t('forward')}` : `← ${t('backward')}`;
  turn.setAttribute('aria-label', t(s.phase === 'forward' ? 'turn_backward' : 'turn_forward'));
  turn.title = turn.getAttribute('aria-label');
  for (const id of ['first', 'previous', 'previous-stage']) byId(id).disabled = current === 0;
  for (const id of ['last', 'next', 'next-stage']) byId(id).disabled = current === steps.length - 1;
}

function go(to, quiet = false) {
  const target = Math.max(0, Math.min(steps.length - 1, Math.trunc(to) || 0));
  const focus = document.activeElement;
  if (target !== current) chosen = null;
  current = target;
  hideTip();
  render();
  if (focus && !focus.isConnected) byId('happens').focus({preventScroll: true});
  if (focus && focus.disabled) byId('slider').focus();
  byId('happens').scrollTop = 0;
  const here = boxes.get(step().node);
  if (here) bring(here, canvas);
  if (!quiet) try { history.replaceState(null, '', `#step=${current + 1}`); } catch { /* a frame without an address */ }
}

const sameStage = (a, b) => a.phase === b.phase && (a.stage ?? null) === (b.stage ?? null);
function goStage(direction) {
  let at = current;
  if (direction > 0) {
    while (at < steps.length - 1 && sameStage(steps[at], steps[current])) at++;
  } else {
    if (at > 0) at--;
    while (at > 0 && sameStage(steps[at - 1], steps[at])) at--;
  }
  go(at);
}

function turnRound() {
  const s = step(), other = s.phase === 'forward' ? 'backward' : 'forward';
  const at = firsts[other][s.node];
  if (at !== undefined) go(at);
  else byId('say').textContent = t('no_other_direction');
}

let timer = null;
function play() {
  if (timer) { clearInterval(timer); timer = null; } else {
    if (current === steps.length - 1) go(0);
    const tick = () => { if (current === steps.length - 1 || isHidden()) play(); else go(current + 1); };
    timer = setInterval(tick, 2000 / Number(byId('speed').value));
  }
  drawPlay();
}
function drawPlay() {
  byId('play').textContent = timer ? '❚❚' : '▶';
  byId('play').setAttribute('aria-label', t(timer ? 'pause' : 'play'));
}
byId('speed').addEventListener('change', () => { if (timer) { play(); play(); } });

for (const [id, action] of Object.entries({first: () => go(0), last: () => go(steps.length - 1), previous: () => go(current - 1), next: () => go(current + 1),
  'previous-stage': () => goStage(-1), 'next-stage': () => goStage(1), play, turn: turnRound, 'help-open': () => toggleHelp()})) byId(id).addEventListener('click', action);
byId('slider').max = steps.length;
byId('slider').addEventListener('input', () => go(byId('slider').value - 1));
byId('skip').addEventListener('click', (event) => { event.preventDefault(); byId('happens').focus(); });

// ---- finding a node ---------------------------------------------------------------------------------------

const find = byId('find'), hits = byId('hits');
let best = -1;
const seen_ = new Set();
/** Every name that can be found: nodes of the forward graph, and gradients by the step that brings them. */
const targets = [
  ...forward.nodes.map((node, index) => ({name: node.name, to: firsts.forward[index]})),
  ...steps.map((s, to) => ({name: s.edge ? s.edge.name : s.phase === 'backward' ? `d${nodeName(s.node)}` : '', to})),
].filter((entry, i, all) => entry.name && entry.to !== undefined && !seen_.has(entry.name) && seen_.add(entry.name));

function search() {
  const wanted = find.value.trim().toLowerCase();
  const rank = (entry) => { const at = entry.name.toLowerCase().indexOf(wanted); return at < 0 ? Infinity : at * 100 + entry.name.length; };
  const found = wanted ? targets.filter((entry) => rank(entry) < Infinity).sort((a, b) => rank(a) - rank(b)).slice(0, 12) : [];
  best = found.length ? 0 : -1;
  hits.replaceChildren(...found.map((entry, i) => h('li', {role: 'option', id: `hit-${i}`, 'data-to': entry.to, 'aria-selected': String(i === 0)}, entry.name)));
  if (wanted && !found.length) hits.append(h('li', {role: 'option', 'aria-disabled': 'true', 'aria-selected': 'false'}, t('find_none', find.value)));
  hits.hidden = !wanted;
  find.setAttribute('aria-expanded', String(!hits.hidden));
  select(best);
}
function select(index) {
  best = index;
  [...hits.children].forEach((li, i) => li.setAttribute('aria-selected', String(i === index)));
  if (index >= 0) find.setAttribute('aria-activedescendant', `hit-${index}`); else find.removeAttribute('aria-activedescendant');
}
function endSearch(to) {
  hits.hidden = true;
  find.value = '';
  find.setAttribute('aria-expanded', 'false');
  select(-1);
  if (to !== undefined) { go(to); byId('happens').focus({preventScroll: true}); }
}
find.addEventListener('input', search);
find.addEventListener('keydown', (event) => {
  const count = hits.querySelectorAll('[data-to]').length;
  if (event.key === 'Enter' && best >= 0) endSearch(+hits.children[best].dataset.to);
  else if (event.key === 'ArrowDown' && count) select((best + 1) % count);
  else if (event.key === 'ArrowUp' && count) select((best - 1 + count) % count);
  else if (event.key === 'Escape') { endSearch(); byId('happens').focus({preventScroll: true}); }
  else return;
  event.preventDefault();
  event.stopPropagation();
});
hits.addEventListener('mousedown', (event) => {
  event.preventDefault();
  const li = event.target.closest('[data-to]');
  if (li) endSearch(+li.dataset.to);
});
find.addEventListener('blur', () => endSearch());

// ---- keys, help, language, theme --------------------------------------------------------------------------

function toggleHelp() { const help = byId('help'); if (help.open) help.close(); else help.showModal(); }
byId('help-close').addEventListener('click', () => byId('help').close());

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const on = event.target, slider = on === byId('slider');
  if (event.key === 'Escape') {
    hideTip();
    if (chosen) { chosen = null; render(); }
    if (on.matches('input, select') && !slider) byId('happens').focus({preventScroll: true});
    return;
  }
  if ((on.matches('input, select, textarea') && !slider) || (byId('help').open && event.key !== '?')) return;
  if (gridKey(event)) { event.preventDefault(); return; }
  if ((event.key === 'Enter' || event.key === ' ') && on.matches?.('[data-node]')) { event.preventDefault(); toNode(+on.dataset.node); return; }
  const free = !on.matches('button, summary, [data-node], td'); // there the space bar presses
  const action = {
    ArrowRight: () => (event.shiftKey ? goStage(1) : go(current + 1)),
    ArrowLeft: () => (event.shiftKey ? goStage(-1) : go(current - 1)),
    Home: () => go(0), End: () => go(steps.length - 1), b: turnRound, B: turnRound,
    '/': () => find.focus(), '?': toggleHelp, ' ': free ? play : undefined,
  }[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

function drawHelp() {
  const keys = [['← →', 'key_step'], ['Shift ← →', 'key_stage'], ['Home End', 'key_ends'], ['b', 'key_turn'], ['/', 'key_find'], ['Space', 'key_play'], ['← ↑ ↓ → Enter', 'key_cells'], ['?', 'key_help'], ['Esc', 'key_close']];
  document.querySelector('#help dl').replaceChildren(...keys.flatMap(([key, word]) => [h('dt', {}, key.split(' ').flatMap((k) => [h('kbd', {}, k), ' '])), h('dd', {}, t(word))]));
  document.querySelector('#help .more').replaceChildren(...['help_edges', 'help_colours', 'help_link'].map((word) => h('p', {}, t(word))));
}

const stored = (key, value) => { // a sandboxed frame has no storage
  try { if (value === undefined) return localStorage.getItem(key); localStorage.setItem(key, value); } catch { /* then nothing is kept */ }
  return null;
};
const dark = matchMedia('(prefers-color-scheme: dark)');
let theme = ['light', 'dark'].includes(stored('walk-theme')) ? stored('walk-theme') : 'auto';
function drawTheme() {
  root.dataset.theme = theme === 'auto' ? (dark.matches ? 'dark' : 'light') : theme;
  byId('theme').textContent = {auto: '◐', light: '☀\ufe0e', dark: '☾'}[theme];
  byId('theme').setAttribute('aria-label', t(`theme_${theme}`));
  byId('theme').title = t(`theme_${theme}`);
}
dark.addEventListener('change', drawTheme);
byId('theme').addEventListener('click', () => {
  theme = {auto: dark.matches ? 'light' : 'dark', light: dark.matches ? 'dark' : 'auto', dark: dark.matches ? 'auto' : 'light'}[theme];
  stored('walk-theme', theme);
  drawTheme();
});

function drawWords() {
  root.lang = language === 'zh' ? 'zh-Hans' : language;
  for (const element of document.querySelectorAll('[data-word]')) element.textContent = t(element.dataset.word);
  for (const element of document.querySelectorAll('[data-label]')) { element.setAttribute('aria-label', t(element.dataset.label)); if (element.matches('button')) element.title = t(element.dataset.label); }
  find.placeholder = `${t('find')}  /`;
  const button = byId('language');
  button.textContent = t('language');
  button.lang = language === 'zh' ? 'en' : 'zh-Hans';
  if (svg) {
    svg.setAttribute('aria-label', t('graph'));
    for (const [element, [index]] of parts) element.setAttribute('aria-label', t('node', nodeName(index)));
    for (const hit of svg.querySelectorAll('.hit[role]')) hit.setAttribute('aria-label', t('edge', ...hit.dataset.hit.split('-').slice(0, 2).map(nodeName)));
    for (const [text, first, word, hole] of phrases) text.textContent = `${first}${t(word, hole)}`;
  }
  drawSource();
  drawHelp();
  drawTheme();
  drawPlay();
  drawStages();
  drawLive();
}
byId('language').addEventListener('click', () => { language = language === 'zh' ? 'en' : 'zh'; drawWords(); render(); });
byId('predict').addEventListener('click', () => {
  predicting = !predicting;
  byId('predict').setAttribute('aria-pressed', String(predicting));
  answered = new Map();
  render();
  byId('guess')?.focus();
});

// ---- paper ------------------------------------------------------------------------------------------------

function drawPaper() {
  root.dataset.theme = 'light';
  byId('print').replaceChildren(h('h2', {}, t('print_title')), ...steps.map((s, index) => h('article', {},
    h('p', {class: 'where'}, `${index + 1} / ${steps.length}`), ...stepContent(s, {hide: false, still: true}))));
}
function endPaper() { byId('print').replaceChildren(); drawTheme(); }
addEventListener('beforeprint', drawPaper);
matchMedia('print').addEventListener('change', (event) => { if (event.matches) drawPaper(); else endPaper(); });
addEventListener('afterprint', endPaper);

// ---- begin ------------------------------------------------------------------------------------------------

function fromAddress() {
  const found = /(?:^#|&)step=(\d+)/.exec(location.hash);
  return found ? found[1] - 1 : 0;
}
addEventListener('hashchange', () => go(fromAddress(), true));
addEventListener('resize', () => { const here = boxes.get(step().node); if (here) bring(here, canvas); });
drawGraph();
drawWords();
go(fromAddress(), true);
})();
