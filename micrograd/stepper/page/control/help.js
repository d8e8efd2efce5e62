// The help: what each key does.

import {t} from '../model/words.js';
import {byId, first, h} from '../view/elements.js';

const KEYS = [['← →', 'key_step'], ['Shift ← →', 'key_stage'], ['Home End', 'key_ends'], ['b', 'key_turn'], ['/', 'key_find'],
  ['Space', 'key_play'], ['← ↑ ↓ → Enter', 'key_cells'], ['?', 'key_help'], ['Esc', 'key_close']];

/** Open the help, or close it. */
export function toggleHelp() {
  const help = byId('help');
  if (help.open) help.close(); else help.showModal();
}

/** Write the help in the language that was chosen. */
export function drawHelp() {
  first('#help dl').replaceChildren(...KEYS.flatMap(([key, word]) => [h('dt', {}, key.split(' ').flatMap((k) => [h('kbd', {}, k), ' '])), h('dd', {}, t(word))]));
  first('#help .more').replaceChildren(...['help_edges', 'help_colours', 'help_link'].map((word) => h('p', {}, t(word))));
}
