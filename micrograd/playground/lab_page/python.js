// Python, in a worker: start it, give it commands, end it when it does not stop, and start it again.

import {byId, data} from './data.js';
import {files} from './unpacking.js';

/** @import {Command} from './commands.js' */
/** @typedef {{code: number, said: string, files: Record<string, string>}} Outcome */
/** @typedef {{ended: 'stopped' | 'late' | 'broken', why: string}} Ended */

/** @type {Worker | null} */
let worker = null;
/** @type {Promise<void>} */
let ready = Promise.resolve();
/** @type {((result: Outcome | Ended) => void) | null} */
let pending = null;
let started = () => {};
let timer = 0;
let count = 0;

/**
 * Start Python; it is ready when the promise is kept.
 * @param {(text: string) => void} say what is being done
 * @returns {Promise<void>}
 */
export function startPython(say) {
  const mine = ++count; // a start that was overtaken by the next has nothing to say
  worker?.terminate();
  worker = null;
  ready = (async () => {
    const content = await files(say);
    if (mine !== count) return;
    const script = URL.createObjectURL(new Blob([byId('worker').textContent], {type: 'text/javascript'}));
    const made = new Worker(script);
    worker = made;
    await new Promise((resolve, reject) => {
      made.onmessage = ({data: message}) => {
        if (message.kind === 'ready') resolve(undefined);
        else if (message.kind === 'failed') reject(new Error(message.why));
        else if (message.kind === 'begun') started();
        else finish(message.outcome);
      };
      made.onerror = (event) => {
        reject(new Error(event.message));
        finish({ended: 'broken', why: event.message});
      };
      made.postMessage({files: content, lock: data.lock, seconds: data.seconds.loop});
    });
    URL.revokeObjectURL(script);
  })();
  return ready;
}

/**
 * Hand over what came of a command.
 * @param {Outcome | Ended} result
 */
function finish(result) {
  clearTimeout(timer);
  pending?.(result);
  pending = null;
}

/**
 * Run a command, when Python is ready.
 * @param {Command} command
 * @param {Record<string, string>} given files, by name
 * @param {() => void} begin called when it begins
 * @returns {Promise<Outcome | Ended>}
 */
export function runCommand(command, given, begin) {
  return new Promise((resolve, reject) => {
    pending = resolve;
    ready.then(() => {
      if (pending !== resolve) return; // stopped before it began
      started = () => {
        begin();
        timer = setTimeout(() => endPython('late'), 1000 * data.seconds.all);
      };
      worker?.postMessage({words: command.words, given, wanted: command.wanted});
    }, (error) => {
      pending = null;
      reject(error);
    });
  });
}

/**
 * End Python in the middle of what it does. It has to be started again.
 * @param {'stopped' | 'late'} ended
 */
export function endPython(ended) {
  worker?.terminate();
  worker = null;
  finish({ended, why: ''});
}
