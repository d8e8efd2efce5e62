// The playground: an editor, a row of buttons, each a command of micrograd, and the result.

import {commandOf} from './commands.js';
import {byId, data} from './data.js';
import {listenToEditor, putText, typed} from './editor.js';
import {firstForward, functionsIn, inputsIn} from './functions.js';
import {codeTo, fromAddress, shelf} from './keeping.js';
import {roomForPicture, saveFile, showOutcome, showTextAlone} from './output.js';
import {endPython, runCommand, startPython} from './python.js';
import {speak, spoken, t} from './words.js';

/** @import {Action} from './commands.js' */
/** @typedef {'mine' | 'exercise'} Tab */

const HINTS = ['where', 'kind', 'fix'];
const asked = fromAddress(location.hash);
const first = asked.code ?? data.text;
const kept = shelf(first);

/** @type {Record<Tab, string | null>} */
const texts = {mine: kept.read('mine') ?? first, exercise: kept.read('exercise')};
/** @type {Tab} */
let tab = 'mine';
let busy = false;
let checked = kept.read('checked') === 'yes'; // the exercise, since it was made
/** @type {string | null} */
let before = null; // what stood there before the first text was put back
let chosen = '';
let message = () => t('starting'); // of the status, in whatever language

/**
 * Say how things stand.
 * @param {() => string} text
 */
function say(text) {
  message = text;
  byId('status').textContent = text();
}

/** Keep what was typed. */
function keep() {
  texts[tab] = typed();
  if (!kept.write(tab, typed())) say(() => t('not_kept'));
}

/** List the functions of the text, and choose the one that was chosen. */
function drawFunctions() {
  const names = functionsIn(typed()), select = byId('function');
  const now = names.includes(chosen) ? chosen : firstForward(names);
  select.replaceChildren(...(names.length ? names : ['']).map((name) => new Option(name || t('no_function'), name, false, name === now)));
  const own = byId('made-of').options[0];
  if (own) own.textContent = t('this_function', now || t('no_function'));
}

/** Draw what depends on the text, the tab and the language. */
function drawEditor() {
  byId('tabs').hidden = texts.exercise === null;
  for (const one of ['mine', 'exercise']) byId(`tab-${one}`).setAttribute('aria-pressed', String(one === tab));
  byId('solution').hidden = tab !== 'exercise';
  byId('solution').disabled = !checked;
  byId('solution').title = checked ? '' : t('solution_after');
  byId('reset').hidden = tab !== 'mine';
  byId('reset').textContent = before === null ? t('reset') : t('unreset');
  drawFunctions();
}

/**
 * Show another text in the editor.
 * @param {Tab} which
 */
function turnTo(which) {
  tab = which;
  before = null;
  chosen = '';
  putText(texts[tab] ?? '');
  drawEditor();
}

/** Fill the lists of the exercise. */
function drawPractise() {
  const of = byId('made-of').value, out = byId('left-out').value || 'line';
  byId('made-of').replaceChildren(new Option('', ''), ...data.lessons.map((name) => new Option(name, name, false, name === of)));
  byId('left-out').replaceChildren(...data.kinds.map((kind) => new Option(t(`kind_${kind}`), kind, false, kind === out)));
  drawFunctions();
}

/** Say everything in the language. */
function drawLanguage() {
  speak(spoken());
  const {source, address} = data;
  byId('source').textContent = t(source, address);
  byId('parts').replaceChildren(...data.parts.map((part) => {
    const item = document.createElement('li');
    item.textContent = t('part', part.what, part.name, part.sha256);
    return item;
  }));
  drawPractise();
  drawEditor();
  say(message);
}

/** Start Python, or start it again. */
async function start() {
  byId('again').hidden = true;
  try {
    await startPython((text) => { if (!busy) say(() => text); });
    if (!busy) say(() => t('ready'));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    byId('again').hidden = false;
    say(() => {
      const more = data.source === 'public' ? t('no_start_net', data.address)
        : data.source === 'folder' && location.protocol === 'file:' ? t('no_start_file') : '';
      return `${t('no_start', why)} ${more}`;
    });
  }
}

/**
 * Mark that a command runs, or that it has ended.
 * @param {boolean} now
 */
function setBusy(now) {
  busy = now;
  byId('stop').hidden = !now;
  byId('main').setAttribute('aria-busy', String(now));
}

/**
 * Run what a button stands for, and show what comes of it.
 * @param {Action} action
 */
async function act(action) {
  if (busy || !byId('again').hidden) return;
  const names = functionsIn(typed()), name = byId('function').value, of = byId('made-of').value;
  if (!name && action !== 'check' && !(action === 'exercise' && of)) {
    say(() => t('no_function'));
    return;
  }
  const hint = byId('hint').value, file = tab === 'mine' ? data.file : 'exercise.py', lang = spoken();
  const made = commandOf(action, {
    file, name, names, inputs: inputsIn(typed()), hint, lang, width: roomForPicture(), madeOf: of, leftOut: byId('left-out').value, seed: Math.floor(Math.random() * 1e4),
  });
  const label = () => t(action).replace(/[ …]/g, '');
  setBusy(true);
  byId('more').hidden = true;
  say(() => t('waiting', label()));
  const from = tab;
  try {
    let begun = performance.now();
    const result = await runCommand(made, {[file]: typed()}, () => {
      begun = performance.now();
      say(() => t('running', label()));
    });
    if ('ended' in result) {
      setBusy(false);
      const why = {stopped: () => t('stopped'), late: () => t('stopped_late', data.seconds.all), broken: () => t('broken', result.why)}[result.ended];
      say(why);
      await startAgain(why);
      return;
    }
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    if (action === 'exercise' && result.files['exercise.py']) takeExercise(result.files['exercise.py'], result.files['exercise_solution.py'] ?? '');
    else {
      showOutcome(made.words, result, made.wanted[0]);
      const {code} = result;
      say(() => (code && !result.files[made.wanted[0]] ? t('refused', label()) : t('done', label(), seconds)));
      if (action === 'check') afterCheck(from, result.code, hint);
      if (matchMedia('(max-width: 60rem)').matches) byId('result').scrollIntoView();
    }
  } catch (error) {
    say(() => t('no_start', error instanceof Error ? error.message : String(error)));
  } finally {
    setBusy(false);
  }
}

/**
 * Start Python again after it was ended, and keep saying why until something else is done.
 * @param {() => string} why
 */
async function startAgain(why) {
  await start();
  if (!busy && byId('again').hidden) say(() => `${why()} ${t('ready')}`);
}

/**
 * Offer the next hint after a check; after the first check of an exercise its solution may be shown.
 * @param {Tab} from
 * @param {number} code of the check
 * @param {string} hint
 */
function afterCheck(from, code, hint) {
  byId('more').hidden = code !== 1 || hint === 'fix';
  if (from === 'exercise') {
    checked = true;
    kept.write('checked', 'yes');
    drawEditor();
  }
}

/**
 * Put an exercise into the editor.
 * @param {string} text
 * @param {string} solution
 */
function takeExercise(text, solution) {
  texts.exercise = text;
  checked = false;
  for (const [key, value] of Object.entries({exercise: text, solution, checked: 'no'})) kept.write(key, value);
  openPractise(false);
  turnTo('exercise');
  say(() => t('exercise_made'));
  byId('code').focus();
}

/**
 * Open or close the form of the exercise.
 * @param {boolean} open
 */
function openPractise(open) {
  byId('practise').hidden = !open;
  byId('exercise').setAttribute('aria-expanded', String(open));
  if (open) byId('made-of').focus();
}

for (const action of /** @type {Action[]} */ (['check', 'walk', 'draw', 'derive'])) byId(action).addEventListener('click', () => act(action));
byId('exercise').addEventListener('click', () => openPractise(byId('practise').hidden));
byId('cancel').addEventListener('click', () => { openPractise(false); byId('exercise').focus(); });
byId('practise').addEventListener('submit', (/** @type {Event} */ event) => { event.preventDefault(); act('exercise'); });
byId('stop').addEventListener('click', () => endPython('stopped'));
byId('again').addEventListener('click', start);
byId('more').addEventListener('click', () => {
  byId('hint').value = HINTS[Math.min(2, HINTS.indexOf(byId('hint').value) + 1)];
  act('check');
});
byId('language').addEventListener('click', () => {
  speak(spoken() === 'en' ? 'zh' : 'en');
  kept.write('lang', spoken());
  drawLanguage();
});
byId('function').addEventListener('change', () => { chosen = byId('function').value; drawFunctions(); });
byId('tab-mine').addEventListener('click', () => turnTo('mine'));
byId('tab-exercise').addEventListener('click', () => turnTo('exercise'));
byId('reset').addEventListener('click', () => {
  const text = before ?? first;
  before = before === null ? typed() : null;
  putText(text);
  keep();
  drawEditor();
});
byId('open').addEventListener('click', () => byId('file').click());
byId('file').addEventListener('change', async () => {
  const [file] = byId('file').files;
  if (!file) return;
  before = typed();
  putText((await file.text()).replace(/\r\n?/g, '\n'));
  byId('file').value = '';
  keep();
  drawEditor();
});
byId('keep').addEventListener('click', () => saveFile(tab === 'mine' ? data.file : 'exercise.py', typed()));
byId('solution').addEventListener('click', () => showTextAlone(kept.read('solution') ?? ''));
byId('link').addEventListener('click', () => {
  history.replaceState(null, '', `#code=${codeTo(typed())}&lang=${spoken()}`);
  say(() => t('linked'));
});
byId('wide').addEventListener('click', () => {
  const now = byId('main').classList.toggle('wide');
  byId('wide').setAttribute('aria-pressed', String(now));
});
addEventListener('hashchange', () => location.reload());
document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    act('check');
  }
});
listenToEditor(() => { before = null; keep(); drawEditor(); });

const wished = asked.lang ?? kept.read('lang');
if (wished === 'en' || wished === 'zh') speak(wished);
drawLanguage();
turnTo('mine');
if (asked.bad) showTextAlone(t('bad_address'));
start();
