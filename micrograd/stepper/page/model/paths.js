// What each step brings forth, and how gradients on several paths add up.

import {backward, data, forward, isForwardValue, isLeaf, nodeOperands, steps} from './data.js';
import {values} from './values.js';

/** @import {PathData, Side, StepData} from './data.js' */
/** @typedef {PathData & {step?: number}} Path a term of a sum, with the step that brings it */
/** @typedef {{cells: Float64Array, shape: number[], of: number} | null} RunningSum */

/**
 * All steps that bring a contribution to a node, in order of arrival.
 * @type {Map<number, Path[]>}
 */
export const arrivals = new Map();
steps.forEach((s, number_) => {
  if (!s.edge) return;
  if (!arrivals.has(s.edge.operand)) arrivals.set(s.edge.operand, []);
  arrivals.get(s.edge.operand)?.push({name: s.edge.name, grad: s.edge.grad, from: s.node, step: number_});
});

/**
 * The first step of each node, forward and backward.
 * @type {Record<Side, Record<number, number>>}
 */
export const firsts = {forward: {}, backward: {}};
steps.forEach((s, index) => { if (!s.edge) firsts[s.phase][s.node] ??= index; });
steps.forEach((s, index) => { if (s.edge) firsts.backward[s.edge.operand] ??= index; }); // on one path the gradient is whole with it

const back = steps.findIndex((s) => s.phase === 'backward');
/**
 * Say whether a step comes after the way back: the loss needs it not, as it needs no update of a parameter.
 * @param {StepData} s
 * @returns {boolean}
 */
export const isAfterLoss = (s) => Boolean(data.training) && s.phase === 'forward' && back >= 0 && steps.indexOf(s) > back;

/**
 * Name the edge of a step as the picture does: "source-target-slot".
 * @param {StepData} s
 * @returns {string}
 */
export const edgeKey = (s) => (s.edge ? `${s.edge.operand}-${s.node}-${s.edge.slot}` : '');

/**
 * The step of each edge, by its name.
 * @type {Map<string, number>}
 */
export const edgeSteps = new Map();
steps.forEach((s, index) => { if (s.edge) edgeSteps.set(edgeKey(s), index); });

/**
 * List the terms of the sum that have arrived at a step.
 * @param {StepData} s
 * @returns {Path[]}
 */
export function pathsOf(s) {
  if (!s.edge) return s.paths;
  return (arrivals.get(s.edge.operand) || []).filter((path) => /** @type {number} */ (path.step) <= steps.indexOf(s));
}

/**
 * Return the array that a step brings forth, as [side, node]; null where it is given.
 * @param {StepData} s
 * @returns {[Side, number] | null}
 */
export function product(s) {
  if (s.phase === 'forward') return isLeaf(forward.nodes[s.node]) ? null : ['forward', s.node];
  if (s.edge) return ['backward', s.edge.grad];
  return s.paths.length > 1 && s.gradient !== null ? ['backward', s.gradient] : null;
}

/**
 * List the forward values that the rule of an edge reads, as nodes of the backward graph.
 * @param {number} gradient the node that the rule computes
 * @param {number | null} stop the upstream gradient, where the rule begins
 * @returns {number[]}
 */
export function readsOf(gradient, stop) {
  const reads = new Set(), seen = new Set([stop]), queue = [gradient];
  for (let index = queue.pop(); index !== undefined; index = queue.pop()) {
    if (seen.has(index)) continue;
    seen.add(index);
    const node = backward.nodes[index];
    if (isLeaf(node)) { if (isForwardValue(node)) reads.add(index); continue; }
    queue.push(...nodeOperands(node));
  }
  return [...reads].sort((a, b) => a - b);
}

/**
 * Find what is summed over the broadcast axes on the way to the gradient of an edge: the operand of the nearest sum.
 * @param {number} gradient
 * @param {number | null} stop the upstream gradient
 * @returns {number | null}
 */
export function foldOf(gradient, stop) {
  const queue = [gradient];
  for (let index = queue.shift(); index !== undefined; index = queue.shift()) {
    const node = backward.nodes[index];
    if (node.kind === 'reduce') return /** @type {number} */ (node.operands[0]);
    queue.push(...nodeOperands(node).filter((o) => o !== stop));
  }
  return null;
}

/**
 * Add up the contributions one after the other, as the sweep adds them; null from where one is not in the page.
 * @param {Path[]} paths
 * @returns {RunningSum[]}
 */
export function runningSums(paths) {
  /** @type {RunningSum[]} */
  const sums = [];
  for (const path of paths) {
    const cells = values.backward[path.grad], last = sums.at(-1);
    if (!cells || last === null) { sums.push(null); continue; }
    const {shape} = backward.nodes[path.grad];
    if (!last) { sums.push({cells, shape, of: path.grad}); continue; }
    const bigger = cells.length >= last.cells.length ? {cells, shape, of: path.grad} : last;
    const sum = bigger.cells.map((_, i) => cells[cells.length === 1 ? 0 : i] + last.cells[last.cells.length === 1 ? 0 : i]);
    sums.push({cells: sum, shape: bigger.shape, of: bigger.of});
  }
  return sums;
}
