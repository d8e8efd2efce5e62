// What can be read of a text without Python: the functions at the top, by their names, and the inputs of its check.

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
 * Return the inputs with which an exercise wants to be checked, as options: its text shows the command that marks it.
 * Without them shapes would be made up, and a line that is right for the exercise's own may be wrong for those.
 * @param {string} text
 * @returns {string[]}
 */
export function inputsIn(text) {
  const command = /^ {4}micrograd check .*$/m.exec(text)?.[0] ?? '';
  const options = command.matchAll(/ (--(?:input|param)) ((?:'[^']*'|"[^"]*"|[^\s'"])+)/g);
  return [...options].flatMap(([, option, value]) => [option, value.replace(/'([^']*)'|"([^"]*)"/g, '$1$2')]); // as a shell does
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
