// The words of the page, in the language that was chosen.

import {data} from './data.js';

let language = data.lang;

/**
 * Return the language, `en` or `zh`.
 * @returns {'en' | 'zh'}
 */
export const spoken = () => language;

/**
 * Return the text under a key, with its holes filled.
 * @param {string} key
 * @param {...any} fill for {0}, {1} ...
 * @returns {string}
 */
export function t(key, ...fill) {
  return data.words[language][key].replace(/\{(\d)\}/g, (_, hole) => fill[hole]);
}

/**
 * Speak a language from now on: write every word that stands in the template.
 * @param {'en' | 'zh'} chosen
 */
export function speak(chosen) {
  language = chosen;
  document.documentElement.lang = {en: 'en', zh: 'zh-Hans'}[chosen];
  document.title = t('title');
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-word], [data-label], [data-title]'))) {
    const {word, label, title} = element.dataset;
    if (word) element.textContent = t(word);
    if (label) element.setAttribute('aria-label', t(label));
    if (title) element.title = t(title);
  }
}
