// Get the files that Python needs: out of this page, from its folder or from the public address, each as it was released.

import {byId, data} from './data.js';
import {t} from './words.js';

/** @import {PartData} from './data.js' */
/** @typedef {Record<string, ArrayBuffer>} Files */

/** @type {Promise<Files> | null} */
let begun = null;

/**
 * Read base 64.
 * @param {string} written
 * @returns {Uint8Array<ArrayBuffer>}
 */
function decoded(written) {
  const text = atob(written), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/**
 * Return the content of what may have been compressed.
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<ArrayBuffer>}
 */
async function unpacked(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.buffer;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
}

/**
 * Get one file.
 * @param {PartData} part
 * @param {number} index
 * @returns {Promise<ArrayBuffer>}
 */
async function got(part, index) {
  if (!part.at) return unpacked(decoded(byId(`part-${index}`).textContent));
  const response = await fetch(part.at, {integrity: part.integrity, credentials: 'omit'});
  if (!response.ok) throw new Error(`${part.at}: ${response.status} ${response.statusText}`);
  return unpacked(new Uint8Array(await response.arrayBuffer()));
}

/**
 * Get all files, once; after a failure once more.
 * @param {(text: string) => void} say what is being done
 * @returns {Promise<Files>}
 */
export function files(say) {
  let failed = false; // what arrives after that has nothing to say
  begun ??= (async () => {
    /** @type {Files} */
    const all = {};
    await Promise.all(data.parts.map(async (part, index) => {
      all[part.name] = await got(part, index);
      if (!failed) say(t('loading', part.what));
    }));
    data.parts.forEach((_, index) => byId(`part-${index}`)?.remove()); // its text is not needed any more
    return all;
  })().catch((error) => {
    failed = true;
    begun = null;
    throw error;
  });
  return begun;
}
