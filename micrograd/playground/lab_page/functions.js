// The functions that a text defines, as far as they can be chosen: those at the top, by their names.

/**
 * List the functions at the top of a text.
 * @param {string} text
 * @returns {string[]}
 */
export function functionsIn(text) {
  const found = [...text.matchAll(/^def[ \t]+([\p{L}_][\p{L}\p{N}_]*)/gmu)].map((match) => match[1]);
  return [...new Set(found)];
}

/**
 * Say whether a name is that of a backward.
 * @param {string} name
 * @returns {boolean}
 */
export const isBackward = (name) => /(?:^|_)(?:backwards?|bwd?|backprop|bprop|back|grad|gradient)(?:_|\d|$)/i.test(name);

/**
 * Return the function that is meant when none has been chosen: the first that is no backward.
 * @param {string[]} names
 * @returns {string}
 */
export const firstForward = (names) => names.find((name) => !isBackward(name)) ?? names[0] ?? '';
