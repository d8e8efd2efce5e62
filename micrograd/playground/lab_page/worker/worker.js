// Python itself, apart from the page: start Pyodide from files in memory, and run the commands that the page sends.

/** @typedef {{files: Record<string, ArrayBuffer>, lock: object, seconds: number}} Start */
/** @typedef {{words: string[], given: Record<string, string>, wanted: string[]}} Asked */

const scope = /** @type {any} */ (self);
const NOWHERE = 'http://inside.invalid/'; // where Pyodide believes its files to be

/** @type {((request: string) => string) | null} */
let answer = null;

/**
 * Have everything that is loaded come from memory.
 * @param {Record<string, ArrayBuffer>} files
 */
function serveFromMemory(files) {
  /**
   * Return a file by its address.
   * @param {any} address
   * @returns {[string, ArrayBuffer]}
   */
  const found = (address) => {
    const name = String(address?.url ?? address).split('/').pop() ?? '';
    if (!files[name]) throw new TypeError(`${name} is not in this page, and nothing else is loaded`);
    return [name, files[name]];
  };
  scope.fetch = async (/** @type {any} */ address) => {
    const [name, content] = found(address);
    return new Response(content, {headers: {'content-type': name.endsWith('.wasm') ? 'application/wasm' : 'application/octet-stream'}});
  };
  const load = scope.importScripts.bind(scope);
  scope.importScripts = (/** @type {any[]} */ ...addresses) => {
    for (const address of addresses) {
      const script = URL.createObjectURL(new Blob([found(address)[1]], {type: 'text/javascript'}));
      load(script);
      URL.revokeObjectURL(script);
    }
  };
}

/**
 * Start Python, with NumPy and micrograd.
 * @param {Start} start
 */
async function begin({files, lock, seconds}) {
  files['pyodide-lock.json'] = new TextEncoder().encode(JSON.stringify(lock)).buffer;
  serveFromMemory(files);
  scope.importScripts(`${NOWHERE}pyodide.js`);
  const python = await scope.loadPyodide({indexURL: NOWHERE, fullStdLib: false});
  const folder = python.runPython('import site; site.getsitepackages()[0]');
  for (const [name, content] of Object.entries(files)) {
    const isWheel = name.endsWith('.whl');
    if (isWheel || (name.endsWith('.zip') && !name.startsWith('python_stdlib'))) {
      python.unpackArchive(new Uint8Array(content), isWheel ? 'wheel' : 'zip', {extractDir: folder});
    }
    delete files[name];
  }
  python.globals.set('SECONDS', seconds);
  answer = python.runPython([
    'import json',
    'from micrograd.cli import main',
    'from micrograd.playground.running import run',
    'lambda request: run(main, **json.loads(request), seconds=SECONDS)',
  ].join('\n'));
  scope.postMessage({kind: 'ready'});
  python.runPython('import micrograd.playground.warm'); // what the first command will need, while somebody reads
}

scope.onmessage = async (/** @type {MessageEvent<Start | Asked>} */ event) => {
  if ('files' in event.data) {
    try {
      await begin(event.data);
    } catch (error) {
      scope.postMessage({kind: 'failed', why: String(error).slice(-400)});
    }
    return;
  }
  scope.postMessage({kind: 'begun'});
  try {
    scope.postMessage({kind: 'done', outcome: JSON.parse(/** @type {any} */ (answer)(JSON.stringify(event.data)))});
  } catch (error) { // Python itself has ended
    scope.postMessage({kind: 'done', outcome: {ended: 'broken', why: String(error).trim().split('\n').pop()}});
  }
};
