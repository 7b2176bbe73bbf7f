/** Reading files over the network: with progress, of a known size, and checked by a pinned hash. */

/** The addresses of what was read as bytes. @type {Set<string>} */
export const addresses = new Set();

/**
 * @param {string} path of a file of the page
 * @returns {Promise<unknown>}
 */
export async function readJson(path) {
  const response = await get(path);
  try {
    return await response.json();
  } catch {
    throw new Error(`${path} is not JSON`);
  }
}

/**
 * @param {string} url
 * @param {number} size the bytes that it must have
 * @param {(bytes: number) => void} progress is told of each part
 * @param {{integrity?: string, compressed?: boolean}} options the hash that it must have, after it
 *   was unpacked
 */
export async function readBytes(url, size, progress, { integrity, compressed = false } = {}) {
  // Without https there is no crypto.subtle: the browser checks, and there is no progress.
  const byBrowser = integrity && !compressed && !crypto.subtle ? { integrity } : {};
  const response = await get(url, byBrowser);
  const unpacked = compressed
    ? response.body?.pipeThrough(new DecompressionStream("gzip"))
    : response.body;
  if (!unpacked) throw new Error(`${name(url)} is empty`);
  const bytes = new Uint8Array(size);
  let read = 0;
  for (const reader = unpacked.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    if (read + value.length > size) {
      await reader.cancel();
      throw new Error(`${name(url)} is larger than its ${size} bytes`);
    }
    bytes.set(value, read);
    read += value.length;
    progress(value.length);
  }
  if (read < size) throw new Error(`${name(url)} has ${read} bytes in place of ${size}`);
  if (integrity && crypto.subtle) await check(bytes, integrity, name(url));
  addresses.add(url);
  return bytes;
}

/** @param {string} url @param {RequestInit} options */
async function get(url, options = {}) {
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new Error(`${name(url)} cannot be read: is the network off?`);
  }
  if (!response.ok) throw new Error(`${name(url)} cannot be read: the server says ${response.status}`);
  return response;
}

/** @param {Uint8Array<ArrayBuffer>} bytes @param {string} integrity @param {string} file */
async function check(bytes, integrity, file) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-384", bytes));
  if (`sha384-${btoa(String.fromCharCode(...hash))}` !== integrity) {
    throw new Error(`${file} is not the file that this page was made for`);
  }
}

/** @param {string} url */
function name(url) {
  return url.split("/").slice(-2).join("/");
}
