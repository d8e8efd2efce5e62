// The editor: a text area with line numbers, in which Tab indents and Enter keeps the indent.

import {byId} from './data.js';

/** @type {HTMLTextAreaElement} */
const area = byId('code');
/** @type {HTMLElement} */
const numbers = byId('numbers');
let leaving = false; // Escape was pressed: Tab leaves
let inserting = false; // the browser reports each line of what is put in; one report is enough
let changed = () => {};

/**
 * Return what stands in the editor.
 * @returns {string}
 */
export const typed = () => area.value;

/** Number the lines. */
function drawNumbers() {
  const count = area.value.split('\n').length;
  numbers.textContent = Array.from({length: count}, (_, i) => i + 1).join('\n') + '\n\n';
  numbers.scrollTop = area.scrollTop;
}

/** Draw what depends on the text, unless more of it is coming at once. */
function noteChange() {
  if (inserting) return;
  drawNumbers();
  changed();
}

/**
 * Put a text into the editor.
 * @param {string} text
 */
export function putText(text) {
  area.value = text;
  area.setSelectionRange(0, 0);
  area.scrollTop = 0;
  drawNumbers();
}

/**
 * Replace what is selected, in a way that the browser can undo.
 * @param {string} text
 */
function insert(text) {
  inserting = true;
  if (!document.execCommand('insertText', false, text)) area.setRangeText(text, area.selectionStart, area.selectionEnd, 'end');
  inserting = false;
  noteChange();
}

/**
 * Indent the selected lines, or with `back` the other way round; without a selection put four spaces.
 * @param {boolean} back
 */
function indent(back) {
  const {value, selectionStart: from, selectionEnd: to} = area;
  if (from === to && !back) {
    insert(' '.repeat(4 - (from - value.lastIndexOf('\n', from - 1) - 1) % 4));
    return;
  }
  const start = value.lastIndexOf('\n', from - 1) + 1, next = value.indexOf('\n', Math.max(from, to - 1));
  const end = next < 0 ? value.length : next;
  const lines = value.slice(start, end).split('\n');
  const moved = lines.map((line) => (back ? line.replace(/^ {1,4}/, '') : line && `    ${line}`)).join('\n');
  area.setSelectionRange(start, end);
  insert(moved);
  area.setSelectionRange(start, start + moved.length);
}

/** Begin a line with the indent of the one above, deeper after a colon. */
function newLine() {
  const {value, selectionStart: from} = area, line = value.slice(value.lastIndexOf('\n', from - 1) + 1, from);
  const deeper = /:\s*(#.*)?$/.test(line) ? '    ' : '';
  insert(`\n${/^ */.exec(line)?.[0] ?? ''}${deeper}`);
}

/**
 * Do what a key means.
 * @param {KeyboardEvent} event
 */
function pressed(event) {
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing;
  if (event.key === 'Tab' && plain && !leaving) {
    event.preventDefault();
    indent(event.shiftKey);
  } else if (event.key === 'Enter' && plain && !event.shiftKey) {
    event.preventDefault();
    newLine();
  }
  leaving = event.key === 'Escape' || (leaving && ['Tab', 'Shift'].includes(event.key));
}

/**
 * Listen to what is typed.
 * @param {() => void} listener called after each change
 */
export function listenToEditor(listener) {
  changed = listener;
  area.addEventListener('keydown', pressed);
  area.addEventListener('input', noteChange);
  area.addEventListener('scroll', () => { numbers.scrollTop = area.scrollTop; });
  area.addEventListener('blur', () => { leaving = false; });
}
