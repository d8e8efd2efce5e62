// The data of the page, as micrograd.playground.lab writes it.

/**
 * @typedef {object} PartData a file that Python needs
 * @property {string} name
 * @property {string} what project and version
 * @property {string} sha256
 * @property {string} at its address; empty where it is in the page
 * @property {string} integrity its sum, as browsers take it
 */
/**
 * @typedef {object} LabData
 * @property {'en' | 'zh'} lang
 * @property {Record<string, Record<string, string>>} words
 * @property {string} text
 * @property {string} file
 * @property {'inside' | 'folder' | 'public'} source
 * @property {string} address
 * @property {PartData[]} parts
 * @property {object} lock
 * @property {{loop: number, all: number}} seconds
 * @property {string[]} lessons
 * @property {string[]} kinds
 */

/**
 * Return an element by its id.
 * @param {string} id
 * @returns {any}
 */
export const byId = (id) => document.getElementById(id);

/** @type {LabData} */
export const data = JSON.parse(byId('data').textContent);
