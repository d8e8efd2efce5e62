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
  for (const other of panel.querySelectorAll('button')) other.setAttribute('aria-pressed', String(other.dataset.finding === button.dataset.finding));
}
const goTo = (button) => { if (button.dataset.step) location.hash = `#step=${button.dataset.step}`; };
panel.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) { show(button); goTo(button); }
});
const first = panel.querySelector('button');
if (first) { show(first); if (!/step=/.test(location.hash)) goTo(first); }
})();
