// What is kept: what was typed, in this browser, for each page apart; and what the address says.

import {data} from './data.js';

/**
 * Return a short number for a text (FNV-1a).
 * @param {string} text
 * @returns {string}
 */
export function digest(text) {
  let sum = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193);
  return (sum >>> 0).toString(16);
}

/**
 * Read code as an address holds it: UTF-8, in base 64 for addresses.
 * @param {string} written
 * @returns {string}
 */
export function codeFrom(written) {
  const bytes = atob(written.replace(/-/g, '+').replace(/_/g, '/'));
  return new TextDecoder('utf-8', {fatal: true}).decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0)));
}

/**
 * Write code as an address holds it.
 * @param {string} code
 * @returns {string}
 */
export function codeTo(code) {
  const bytes = Array.from(new TextEncoder().encode(code), (byte) => String.fromCharCode(byte)).join('');
  return btoa(bytes).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

/**
 * Read what stands after # in an address.
 * @param {string} hash
 * @returns {{code?: string, lang?: string, bad?: boolean}}
 */
export function fromAddress(hash) {
  const asked = new URLSearchParams(hash.replace(/^#/, '')), written = asked.get('code'), lang = asked.get('lang') ?? undefined;
  if (!written) return {lang};
  try {
    return {code: codeFrom(written.replace(/ /g, '-')), lang};
  } catch {
    return {lang, bad: true};
  }
}

/**
 * Return what a page keeps under its own name: each first text has its own.
 * @param {string} first text of the page
 * @returns {{read: (key: string) => string | null, write: (key: string, value: string | null) => boolean}}
 */
export function shelf(first) {
  const prefix = `micrograd-playground/${data.file}/${digest(first)}/`;
  return {
    read(key) {
      try {
        return localStorage.getItem(prefix + key);
      } catch {
        return null;
      }
    },
    write(key, value) {
      try {
        if (value === null) localStorage.removeItem(prefix + key);
        else localStorage.setItem(prefix + key, value);
        return true;
      } catch { // no room, or none is given
        return false;
      }
    },
  };
}
