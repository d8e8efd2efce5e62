// Every step on paper, for as long as the page is printed.

import {steps} from '../model/data.js';
import {t} from '../model/words.js';
import {byId, h, root} from '../view/elements.js';
import {stepContent} from '../view/step_content.js';
import {drawTheme} from './settings.js';

/** Put every step on the page, in light colours. */
export function drawPaper() {
  root.dataset.theme = 'light';
  byId('print').replaceChildren(h('h2', {}, t('print_title')), ...steps.map((s, index) => h('article', {},
    h('p', {class: 'where'}, `${index + 1} / ${steps.length}`), ...stepContent(s, {hide: '', still: true}))));
}

/** Take the steps off the page again. */
export function endPaper() {
  byId('print').replaceChildren();
  drawTheme();
}
