// Numbers as text, and text as numbers.

/**
 * Read a number that JSON wrote as a number, a truth value or a string ("NaN", "Infinity").
 * @param {any} x
 * @returns {number}
 */
export const number = (x) => (typeof x === 'number' ? x : typeof x === 'boolean' ? +x : Number(x));

/**
 * Put real minus signs into the text of a number.
 * @param {string} text
 * @returns {string}
 */
export const minus = (text) => text.replace(/-/g, '\u2212');

/**
 * Write a number with a power of ten.
 * @param {number} x
 * @param {number} digits after the point
 * @returns {string}
 */
function power(x, digits) {
  const [mantissa, exponent] = x.toExponential(digits).split('e');
  return `${mantissa}e${exponent.replace('+', '')}`;
}

/**
 * Write zero, NaN or an infinity; return null for any other number.
 * @param {number} x
 * @returns {string | null}
 */
const plain = (x) => (x === 0 ? '0' : Number.isNaN(x) ? 'NaN' : x === Infinity ? '\u221e' : x === -Infinity ? '\u2212\u221e' : null);

/**
 * Choose one way of writing all numbers of an array, so that their points stand under each other; 0 is exactly 0.
 * @param {ArrayLike<number>} cells
 * @returns {(x: number) => string}
 */
export function writing(cells) {
  const finite = Array.from(cells).filter((x) => Number.isFinite(x) && x !== 0);
  const most = Math.max(0, ...finite.map(Math.abs));
  if (finite.every((x) => Number.isInteger(x) && Math.abs(x) < 1e6)) return (x) => plain(x) ?? minus(String(x));
  if (most >= 1e6 || most < 1e-3) return (x) => plain(x) ?? minus(power(x, 3));
  let places = Math.min(6, Math.max(1, 4 - Math.floor(Math.log10(most))));
  const small = (/** @type {number} */ x) => Math.abs(x) < 0.5 * 10 ** -places;
  const idle = (/** @type {number} */ x) => !small(x) && x.toFixed(places).endsWith('0')
    && Math.abs(x - Number(x.toFixed(places - 1))) < 1e-12 * most;
  while (places > 1 && finite.every(idle)) places--;
  return (x) => plain(x) ?? minus(small(x) ? power(x, 1) : x.toFixed(places));
}

/**
 * Write a number that stands alone, without idle zeros.
 * @param {number} x
 * @param {number} [digits]
 * @returns {string}
 */
export function alone(x, digits = 5) {
  const word = plain(x);
  if (word !== null) return word;
  const size = Math.abs(x);
  return minus(size >= 1e6 || size < 1e-3 ? power(x, digits - 1).replace(/\.?0+e/, 'e') : String(+x.toPrecision(digits)));
}

/**
 * Read what was typed: -0.25, 1e-3, 1/3 or 0,5; NaN where it is no number.
 * @param {string} text
 * @returns {number}
 */
export function typed(text) {
  const parts = text.trim().replace(/\u2212/g, '-').replace(/^([^,.]*),([^,.]*)$/, '$1.$2').split('/');
  if (parts.length > 2 || parts.some((part) => part.trim() === '')) return NaN;
  return parts.length === 2 ? Number(parts[0]) / Number(parts[1]) : Number(parts[0]);
}
