// Run the layout engine, Graphviz compiled to WebAssembly, by the WebAssembly of a browser or of Node.
//
// The engine was compiled for WASI, the system calls of WebAssembly. Laying a graph out needs hardly any: it may write
// to its standard output (thrown away), ask for the time and for random bytes; there is no file and no environment.

/** @typedef {{render: (dot: string, format: string) => string}} LayoutEngine */

const [OK, BAD_FILE, NO_FILE, NO_SEEK] = [0, 8, 44, 70]; // error numbers of WASI

/**
 * Return the system calls that the engine may make.
 * @param {() => DataView} memory of the engine
 * @returns {Record<string, (...given: any[]) => number>}
 */
function systemCalls(memory) {
  /**
   * Say that there are no entries, of no bytes.
   * @param {number} count where their number goes
   * @param {number} bytes where their size goes
   */
  const none = (count, bytes) => {
    memory().setUint32(count, 0, true);
    memory().setUint32(bytes, 0, true);
    return OK;
  };
  return {
    environ_sizes_get: none,
    environ_get: () => OK,
    clock_time_get(_clock, _precision, at) {
      memory().setBigUint64(at, BigInt(Date.now()) * 1000000n, true);
      return OK;
    },
    random_get(at, count) {
      new Uint8Array(memory().buffer).set(crypto.getRandomValues(new Uint8Array(count)), at);
      return OK;
    },
    fd_write(_file, pieces, count, written) {
      let total = 0;
      for (let i = 0; i < count; i++) total += memory().getUint32(pieces + 8 * i + 4, true);
      memory().setUint32(written, total, true);
      return OK;
    },
    fd_read(_file, _pieces, _count, read) {
      memory().setUint32(read, 0, true);
      return OK;
    },
    fd_close: () => OK,
    fd_seek: () => NO_SEEK,
    fd_fdstat_get: () => BAD_FILE,
    fd_fdstat_set_flags: () => BAD_FILE,
    fd_filestat_get: () => BAD_FILE,
    fd_prestat_get: () => BAD_FILE,
    fd_prestat_dir_name: () => BAD_FILE,
    path_filestat_get: () => NO_FILE,
    path_open: () => NO_FILE,
    proc_exit(code) { throw new Error(`the layout engine ended with code ${code}`); },
  };
}

/**
 * Return the layout engine. Rendering throws an error where Graphviz fails; what comes then gets a fresh memory.
 * @param {BufferSource} bytes of the engine's WebAssembly
 * @returns {LayoutEngine}
 */
export function layoutEngine(bytes) {
  const module = new WebAssembly.Module(bytes);
  const encoder = new TextEncoder(), decoder = new TextDecoder();
  /** @type {Record<string, any>} */
  let calls = {};
  const memory = () => new DataView(calls.memory.buffer);
  const begin = () => { calls = new WebAssembly.Instance(module, {wasi_snapshot_preview1: systemCalls(memory)}).exports; };
  /**
   * Put a text into the engine's memory, and return where.
   * @param {string} text
   * @returns {number}
   */
  const put = (text) => {
    const written = encoder.encode(`${text}\0`), at = calls.malloc(written.length);
    new Uint8Array(calls.memory.buffer).set(written, at);
    return at;
  };
  /**
   * Read a text.
   * @param {number} at
   * @param {number} [count] of bytes; to the zero at its end where left out
   * @returns {string}
   */
  const read = (at, count) => {
    const all = new Uint8Array(calls.memory.buffer);
    return decoder.decode(all.slice(at, count === undefined ? all.indexOf(0, at) : at + count));
  };
  begin();
  return {
    render(dot, format) {
      const given = [put(dot), put(format), put('dot')], length = calls.malloc(4);
      try {
        const made = calls.graphviz_render(...given, length);
        if (!made) throw new Error(read(calls.graphviz_last_error()));
        const text = read(made, memory().getUint32(length, true));
        for (const at of [made, ...given, length]) calls.graphviz_free(at);
        return text;
      } catch (error) {
        begin();
        throw error;
      }
    },
  };
}
