// What the reader sets: the language, light or dark, whether to predict first.

import {changed, state} from '../model/state.js';
import {t} from '../model/words.js';
import {byId, root} from '../view/elements.js';
import {drawPictureWords, drawStages} from '../view/graph_picture.js';
import {drawLive} from '../view/live_edit.js';
import {drawSource} from '../view/source_code.js';
import {drawHelp} from './help.js';
import {drawPlay} from './navigation.js';

/** @typedef {'auto' | 'light' | 'dark'} Theme */

const KEY = 'walk-theme';
const dark = matchMedia('(prefers-color-scheme: dark)');

/**
 * Read what was kept in this browser; null where nothing was, as in a sandboxed frame, which has no storage.
 * @returns {string | null}
 */
function readStored() {
  try { return localStorage.getItem(KEY); } catch { return null; }
}

/**
 * Keep the theme in this browser, where it has storage.
 * @param {Theme} value
 */
function store(value) {
  try { localStorage.setItem(KEY, value); } catch { /* then nothing is kept */ }
}

const kept = readStored();
/** @type {Theme} */
let theme = kept === 'light' || kept === 'dark' ? kept : 'auto';

/** Draw the page light or dark. */
export function drawTheme() {
  root.dataset.theme = theme === 'auto' ? (dark.matches ? 'dark' : 'light') : theme;
  byId('theme').textContent = {auto: '◐', light: '☀\ufe0e', dark: '☾'}[theme];
  byId('theme').setAttribute('aria-label', t(`theme_${theme}`));
  byId('theme').title = t(`theme_${theme}`);
}
dark.addEventListener('change', drawTheme);

/** Switch to the next theme: what the system has not first, then the other, then as the system. */
export function nextTheme() {
  theme = /** @type {Theme} */ ({auto: dark.matches ? 'light' : 'dark', light: dark.matches ? 'dark' : 'auto', dark: dark.matches ? 'auto' : 'light'}[theme]);
  store(theme);
  drawTheme();
}

/** Write every word of the page in the language that was chosen. */
export function drawWords() {
  root.lang = state.language === 'zh' ? 'zh-Hans' : state.language;
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-word]'))) element.textContent = t(element.dataset.word || '');
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-label]'))) {
    const label = t(element.dataset.label || '');
    element.setAttribute('aria-label', label);
    if (element.matches('button')) element.title = label;
  }
  byId('find').placeholder = `${t('find')}  /`;
  const button = byId('language');
  button.textContent = t('language');
  button.lang = state.language === 'zh' ? 'en' : 'zh-Hans';
  drawPictureWords();
  drawSource();
  drawHelp();
  drawTheme();
  drawPlay();
  drawStages();
  drawLive();
}

/** Switch to the other language. */
export function switchLanguage() {
  state.language = state.language === 'zh' ? 'en' : 'zh';
  drawWords();
  changed();
}

/** Begin to predict, or stop. */
export function switchPredicting() {
  state.predicting = !state.predicting;
  byId('predict').setAttribute('aria-pressed', String(state.predicting));
  state.answers = new Map();
  changed();
  byId('guess')?.focus();
}
