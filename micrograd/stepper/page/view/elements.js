// Elements of the page: made, found, scrolled into view.

export const root = document.documentElement;

/**
 * Return the element of an id; the template has every one that is asked for.
 * @param {string} id
 * @returns {any}
 */
export const byId = (id) => document.getElementById(id);

/**
 * Return the first element that a selector finds; the template has every one that is asked for.
 * @param {string} selector
 * @returns {any}
 */
export const first = (selector) => document.querySelector(selector);

/**
 * Make an element. Attributes named on... are listeners; null, undefined and false leave an attribute or a child out.
 * @param {string} name
 * @param {Record<string, any> | null} attributes
 * @param {...any} children elements and texts, in lists of any depth
 * @returns {HTMLElement}
 */
export function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === 'class') element.className = value;
    else if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * Make an element of SVG.
 * @param {string} name
 * @param {Record<string, any>} attributes
 * @returns {SVGElement}
 */
export function svgElement(name, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/**
 * Scroll `box`, and nothing else, so that `element` is well inside. It is there at once: a smooth way would still be
 * under way at the next key, and any other scrolling in the box ends it before it arrives.
 * @param {Element} element
 * @param {Element} box
 * @param {boolean} [always] to the middle, even where it is inside
 */
export function bring(element, box, always = false) {
  const a = element.getBoundingClientRect(), b = box.getBoundingClientRect();
  const way = (/** @type {number[]} */ ...[low, high, from, to]) => {
    const edge = Math.max(0, Math.min(30, (to - from - (high - low)) / 2)); // what is kept around it
    if (!always && low >= from + edge - 1 && high <= to - edge + 1) return 0;
    return high - low > to - from ? low - from : (low + high) / 2 - (from + to) / 2; // of what is too large the beginning
  };
  const left = way(a.left, a.right, b.left, b.left + box.clientWidth), top = way(a.top, a.bottom, b.top, b.top + box.clientHeight);
  if (left || top) box.scrollBy({left, top, behavior: 'instant'});
}
