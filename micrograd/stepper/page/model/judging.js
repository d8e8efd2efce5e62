// Whether a guess is right: a number as far as it was written out, and a shape.

/**
 * Say whether two numbers are equal but for one part in a hundred.
 * @param {number} a
 * @param {number} b
 * @returns {boolean}
 */
export const near = (a, b) => Math.abs(a - b) <= Math.max(1e-2 * Math.abs(b), 1e-9);

/**
 * Count the digits of a guess that is the right number rounded to as many; 0 where it is not.
 * @param {string} text what was typed
 * @param {number} guess
 * @param {number} right
 * @returns {number}
 */
export function roundedDigits(text, guess, right) {
  const [, whole = '', , part = '', exponent = '0'] = /^[-+]?(\d*)([.,](\d*))?(?:e([-+]?\d+))?$/i.exec(text.trim().replace(/\u2212/g, '-')) || [];
  const unit = 10 ** (Number(exponent) - part.length);
  return Math.abs(guess - right) <= 0.5000001 * unit ? (whole + part).replace(/^0+/, '').length : 0;
}

/**
 * Read a shape: (4, 3), 4x3, 4 3 or (); null where it is none.
 * @param {string} text
 * @returns {number[] | null}
 */
export function typedShape(text) {
  const inner = text.trim().replace(/^[([](.*)[)\]]$/, '$1').trim();
  if (inner === '') return text.trim() === '' ? null : [];
  const parts = inner.split(/\s*[,x\u00d7\uff0c]\s*|\s+/).filter(Boolean);
  return parts.every((part) => /^\d+$/.test(part)) ? parts.map(Number) : null;
}

/**
 * Find what is wrong with a shape, as a word and what fills it; null where it is right.
 * @param {number[]} guess
 * @param {number[]} right
 * @param {number[] | null} before the shape before the sum over the axes that were broadcast, if there was one
 * @param {number[]} axes of that sum
 * @returns {any[] | null}
 */
export function shapeVerdict(guess, right, before, axes) {
  const same = (/** @type {number[]} */ shape) => guess.join() === shape.join();
  if (same(right)) return null;
  if (before && same(before)) return ['shape_sum', axes.join(', ')];
  if (before && same(before.map((size, axis) => (axes.includes(axis) ? 1 : size)))) return ['shape_kept'];
  if (right.length > 1 && same([...right].reverse())) return ['shape_transposed'];
  return ['shape_unknown'];
}
