// Folded stages take less room: the picture is drawn together, from top to bottom, where nothing else stands.

const TOP = 60, BOTTOM = 22; // what stays of a folded stage: its title, and the count at its lower edge

/**
 * What elements said before the picture was drawn together.
 * @type {WeakMap<Element, Record<string, string>>}
 */
const before = new WeakMap();

/**
 * Read an attribute as it was before.
 * @param {Element} element
 * @param {string} name
 * @returns {string}
 */
function original(element, name) {
  const kept = before.get(element) || {};
  before.set(element, kept);
  return kept[name] ??= element.getAttribute(name) || '';
}

/**
 * Return the top and the bottom of a rectangle, as they were before.
 * @param {Element} rect
 * @returns {[number, number]}
 */
const spanOf = (rect) => { const y = Number(original(rect, 'y')); return [y, y + Number(original(rect, 'height'))]; };

/**
 * List what is taken out: of the folded stages what no other box and no text stands beside.
 * @param {Element} svg
 * @param {Element[]} frames of the folded stages
 * @returns {[number, number][]} from top to bottom, none over another
 */
function gapsOf(svg, frames) {
  const boxes = [...svg.querySelectorAll('[data-node]:not(.folded) > rect')].map(spanOf);
  const texts = [...svg.querySelectorAll('[data-edge]:not(.folded) text')].map((text) => Number(original(text, 'y')));
  const busy = [...boxes, ...texts.map((y) => /** @type {[number, number]} */ ([y - 12, y + 4]))].sort((a, b) => a[0] - b[0]);
  /** @type {[number, number][]} */
  const gaps = [];
  for (const frame of frames) {
    const rect = frame.querySelector('rect');
    if (!rect) continue;
    let [from, to] = spanOf(rect);
    from += TOP;
    to -= BOTTOM;
    for (const [top, bottom] of busy) {
      if (bottom <= from || top >= to) continue;
      if (top > from) gaps.push([from, top]);
      from = Math.max(from, bottom);
    }
    if (to > from) gaps.push([from, to]);
  }
  gaps.sort((a, b) => a[0] - b[0]);
  return gaps.map(([from, to], i) => [Math.max(from, ...gaps.slice(0, i).map((gap) => gap[1])), to]);
}

/**
 * Draw the picture together; return how much lower it is than it was.
 * @param {Element} svg
 * @param {Element[]} frames of the folded stages
 * @returns {number}
 */
export function squeeze(svg, frames) {
  const gaps = gapsOf(svg, frames);
  const at = (/** @type {number} */ y) => y - gaps.reduce((sum, [from, to]) => sum + Math.max(0, Math.min(y, to) - from), 0);
  const pairs = /(-?[\d.]+)([ ,])(-?[\d.]+)/g;
  for (const element of svg.querySelectorAll('g rect, g text, g path, g polygon')) {
    if (element.matches('rect')) {
      const [top, bottom] = spanOf(element);
      element.setAttribute('y', String(at(top)));
      element.setAttribute('height', String(at(bottom) - at(top)));
    } else if (element.matches('text')) element.setAttribute('y', String(at(Number(original(element, 'y')))));
    else if (element.matches('path')) {
      element.setAttribute('d', original(element, 'd').replace(pairs, (_, x, sign, y) => x + sign + at(Number(y)).toFixed(1)));
    } else {
      const points = original(element, 'points'), middle = Number(points.split(/[ ,]/)[1]), shift = at(middle) - middle; // a head keeps its shape
      element.setAttribute('points', points.replace(pairs, (_, x, sign, y) => x + sign + (Number(y) + shift).toFixed(1)));
    }
  }
  return gaps.reduce((sum, [from, to]) => sum + Math.max(0, to - from), 0);
}
