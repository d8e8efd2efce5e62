// The check above the walk: a finding points at its edge, which pulses, and at its step.
(() => {
'use strict';
const panel = document.getElementById('check'), canvas = document.querySelector('.canvas');
const list = (text) => (text || '').split(' ').filter(Boolean);
function show(button) {
  for (const element of canvas.querySelectorAll('.faulty')) element.classList.remove('faulty');
  for (const key of list(button.dataset.edges)) {
    const back = canvas.querySelectorAll(`.backward[data-edge="${key}"]`);
    for (const element of back.length ? back : canvas.querySelectorAll(`[data-edge="${key}"]`)) element.classList.add('faulty');
  }
  for (const index of list(button.dataset.nodes)) {
    for (const element of canvas.querySelectorAll(`[data-node="${index}"]`)) element.classList.add('faulty');
  }
  const [from, to] = (button.dataset.lines || '1-0').split('-').map(Number);
  markLines('faulty-line', Array.from({length: to - from + 1}, (_, i) => from + i));
  for (const other of panel.querySelectorAll('button')) other.setAttribute('aria-pressed', String(other.dataset.finding === button.dataset.finding));
}
// The student's own backward stands under the forward, and follows: the lines of the finding, and those that make the
// gradient of the current step.
const source = document.querySelector('.code'), own = panel.dataset.own, theirs = document.createElement('div');
function take() {
  const rows = [...source.querySelectorAll(`[data-line^="${own}:"]`)];
  if (!rows.length) return;
  theirs.replaceChildren(rows[0].previousElementSibling, ...rows);
  theirs.setAttribute('aria-label', theirs.firstElementChild.textContent);
  follow();
}
function markLines(name, numbers) {
  for (const row of theirs.querySelectorAll('.row')) row.classList.toggle(name, numbers.includes(+row.dataset.line.split(':')[1]));
  const row = theirs.querySelector(`.${name}`);
  if (row) theirs.scrollTop += row.getBoundingClientRect().top - theirs.getBoundingClientRect().top - theirs.clientHeight / 3;
}
function follow() {
  const title = document.querySelector('#head .title')?.textContent || '', back = document.documentElement.classList.contains('backward');
  const path = /^(\w+)[:\uff1a]/.exec(title), whole = /^(?:Gradient of )?(\w+?)(?: 的梯度)?$/.exec(title);
  const name = !back ? '' : path ? path[1] : whole ? `d${whole[1]}` : '';
  const makes = new RegExp(`(^|[^\\w.])${name}\\s*([-+*/]|\\*\\*)?=[^=]`);
  markLines('made', !name ? [] : [...theirs.querySelectorAll('.row')].filter((row) => makes.test(row.lastChild.textContent)).map((row) => +row.dataset.line.split(':')[1]));
}
if (own) {
  theirs.className = 'code theirs';
  theirs.tabIndex = 0;
  theirs.setAttribute('role', 'group');
  source.after(theirs);
  take();
  new MutationObserver(take).observe(source, {childList: true});
  new MutationObserver(follow).observe(document.getElementById('head'), {childList: true});
}
const goTo = (button) => { if (button.dataset.step) location.hash = `#step=${button.dataset.step}`; };
panel.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) { show(button); goTo(button); }
});
const first = panel.querySelector('button');
if (first) { show(first); if (!/step=/.test(location.hash)) goTo(first); }
})();
