// The result: a page in a frame of its own, which can do nothing to this one, or text.

import {byId} from './data.js';

/** @import {Outcome} from './python.js' */

const LOOK = '<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
  + '<style>body{margin:.5rem}svg{display:block;margin:auto;max-width:100%;height:auto}</style>';

let address = '';

/**
 * Return the width of a picture that fits, in pixels.
 * @returns {number}
 */
export function roomForPicture() {
  return Math.min(10000, Math.max(300, Math.round(byId('result').clientWidth - 64)));
}

/**
 * Show what a command has written and printed.
 * @param {string[]} words of the command
 * @param {Outcome} outcome
 * @param {string} name of the file to show
 */
export function showOutcome(words, outcome, name) {
  const page = outcome.files[name], frame = byId('page'), said = outcome.said.replace(/\n?[^\n]*: \d+ bytes\n?$/, '').trim();
  byId('command').textContent = `$ micrograd ${words.join(' ')}`;
  byId('command').hidden = false;
  byId('empty').hidden = true;
  frame.hidden = page === undefined;
  frame.srcdoc = page === undefined ? '' : name.endsWith('.svg') ? LOOK + page : page;
  showText(said, page === undefined);
  URL.revokeObjectURL(address);
  address = page === undefined ? '' : URL.createObjectURL(new Blob([page], {type: name.endsWith('.svg') ? 'image/svg+xml' : 'text/html'}));
  Object.assign(byId('save'), {href: address, download: name, hidden: page === undefined});
}

/**
 * Hand a text over as a file.
 * @param {string} name
 * @param {string} text
 */
export function saveFile(name, text) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], {type: 'text/x-python'}));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/**
 * Show a text.
 * @param {string} text
 * @param {boolean} open
 */
export function showText(text, open) {
  byId('said').textContent = text;
  byId('as-text').hidden = !text;
  byId('as-text').open = open;
}

/**
 * Show a text alone, without a command.
 * @param {string} text
 */
export function showTextAlone(text) {
  for (const id of ['page', 'save', 'command', 'empty']) byId(id).hidden = true;
  showText(text, true);
}
