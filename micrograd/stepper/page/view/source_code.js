// The user's source, with the expression of the current step marked.

import {data} from '../model/data.js';
import {t} from '../model/words.js';
import {bring, first, h} from './elements.js';

/** @import {SourceRange} from '../model/data.js' */

/** Draw every function that a node comes from. */
export function drawSource() {
  const code = first('.code');
  code.replaceChildren();
  if (!data.sources.length) code.append(h('p', {}, t('no_source')));
  data.sources.forEach((source, block) => {
    code.append(h('h3', {}, `${source.file} · ${source.name}`));
    source.lines.forEach((line, i) => {
      const text = h('span', {class: 'text'}), room = `${line.length - line.trimStart().length + 4}ch`; // a long line goes on under itself
      text.style.paddingInlineStart = room;
      text.style.textIndent = `-${room}`;
      code.append(h('div', {class: 'row', 'data-line': `${block}:${source.first + i}`},
        h('span', {class: 'number', 'aria-hidden': 'true'}, String(source.first + i)), text));
    });
  });
  markSource(null);
}

/**
 * Mark an expression and scroll to it; null marks none.
 * @param {SourceRange | null} source
 */
export function markSource(source) {
  data.sources.forEach((block, number_) => block.lines.forEach((line, i) => {
    const at = block.first + i, row = first(`.code [data-line="${number_}:${at}"]`);
    const here = source && source.block === number_ && at >= source.line && at <= source.endLine ? source : null;
    const hash = line.search(/(^|\s)#/), comment = hash < 0 ? line.length : hash;
    const start = here ? (at === here.line ? here.column : line.length - line.trimStart().length) : 0;
    const end = here ? (at === here.endLine ? here.endColumn : line.length) : 0;
    const pieces = here && end > start
      ? [line.slice(0, start), h('mark', {}, line.slice(start, end)), line.slice(end, Math.max(end, comment))] : [line.slice(0, comment)];
    row.classList.toggle('at', Boolean(here));
    row.lastChild.replaceChildren(...pieces, h('span', {class: 'comment'}, line.slice(Math.max(comment, here ? end : 0))));
  }));
  bringSource();
}

/** Scroll the source so that the marked expression is in sight. */
export function bringSource() {
  const mark = document.querySelector('.code mark') ?? document.querySelector('.code .at');
  if (mark) bring(mark, first('.code'));
}
