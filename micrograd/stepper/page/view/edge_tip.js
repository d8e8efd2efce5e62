// The tip of an edge: what its gradient is called and its local derivative.

import {nodeName, steps} from '../model/data.js';
import {edgeSteps} from '../model/paths.js';
import {t} from '../model/words.js';
import {byId, h} from './elements.js';
import {mathOf} from './formulas.js';
import {canvas} from './graph_picture.js';

/**
 * Show the tip of an edge beside it.
 * @param {HTMLElement} hit
 */
export function showTip(hit) {
  const key = hit.dataset.hit || '', [source, target] = key.split('-').map(Number);
  const s = steps[edgeSteps.get(key) ?? -1], tip = byId('tip');
  tip.replaceChildren();
  if (!s || !s.edge) tip.append(t('edge_plain', nodeName(source), nodeName(target)));
  else {
    const math = mathOf(s.edge.local || s.math.names);
    tip.append(h('div', {}, h('b', {}, s.edge.name), ` · ${t('edge', nodeName(source), nodeName(target))}`), h('div', {}, t(s.edge.local ? 'local' : 'rule')), math);
  }
  tip.hidden = false;
  hit.setAttribute('aria-describedby', 'tip');
  const at = hit.getBoundingClientRect(), frame = canvas.getBoundingClientRect(), size = tip.getBoundingClientRect();
  const x = (Math.max(at.left, frame.left) + Math.min(at.right, frame.right)) / 2, y = Math.min(at.bottom, frame.bottom);
  tip.style.left = `${Math.max(8, Math.min(innerWidth - size.width - 8, x - size.width / 2))}px`;
  tip.style.top = `${y + size.height + 14 < innerHeight ? y + 10 : Math.max(8, at.top - size.height - 10)}px`;
}

/** Hide the tip. */
export const hideTip = () => { byId('tip').hidden = true; };
