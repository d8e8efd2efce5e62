// The whole page for the current step.

import {forward, steps} from '../model/data.js';
import {currentStep, state} from '../model/state.js';
import {t} from '../model/words.js';
import {light} from './chosen_cell.js';
import {byId, h, root} from './elements.js';
import {paint} from './graph_picture.js';
import {drawNeighbours} from './neighbours.js';
import {isHidden, questionContent} from './prediction.js';
import {markSource} from './source_code.js';
import {stepContent} from './step_content.js';

/** Show the current step in all panes. */
export function render() {
  const s = currentStep();
  root.classList.toggle('backward', s.phase === 'backward');
  const hide = isHidden();
  root.classList.toggle('asking', hide === 'shape' || hide === 'rule'); // the picture would give it away
  const content = stepContent(s, {hide, still: false});
  const question = state.predicting ? questionContent() : null;
  byId('head').replaceChildren(...content.slice(0, 2));
  byId('step').replaceChildren(...(question ? [question] : []), ...content.slice(2), h('p', {class: 'trace', id: 'trace', 'aria-live': 'polite'}));
  for (const math of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('#step .math'))) { // a long formula is set smaller before it scrolls
    const room = math.clientWidth / math.scrollWidth;
    if (room < 1) for (const formula of /** @type {NodeListOf<HTMLElement>} */ (math.querySelectorAll('math'))) formula.style.fontSize = `${Math.max(0.8, room * 1.15)}rem`;
    if (math.clientWidth < math.scrollWidth) math.tabIndex = 0;
  }
  const said = hide && hide !== 'number' ? '' : `${s.say[state.language]}${state.edited ? ` (${t('live_changed')})` : ''}`;
  if (byId('say').textContent !== said) byId('say').textContent = said;
  markSource(forward.nodes[s.node].source);
  paint();
  drawNeighbours();
  light();
  renderControls();
}

/** Show in the controls where the reader is. */
function renderControls() {
  const s = currentStep(), {current} = state;
  const count = t('step_of', current + 1, steps.length);
  byId('count').textContent = count;
  byId('slider').value = current + 1;
  byId('slider').setAttribute('aria-valuetext', `${count}: ${s.title[state.language]}`);
  const turn = byId('turn'), label = t(s.phase === 'forward' ? 'turn_backward' : 'turn_forward');
  turn.textContent = s.phase === 'forward' ? `→ ${t('forward')}` : `← ${t('backward')}`;
  turn.setAttribute('aria-label', label);
  turn.title = label;
  for (const id of ['first', 'previous', 'previous-stage']) byId(id).disabled = current === 0;
  for (const id of ['last', 'next', 'next-stage']) byId(id).disabled = current === steps.length - 1;
}
