/**
 * Noise as a function of a key: the same address shows the same faces in every browser.
 *
 * hf_gen/export/opening.py computes the same numbers for the pictures that the page opens with.
 */

const GOLDEN = 0x9e3779b9;

/**
 * Scrambles 32 bits, one to one. Source: https://github.com/skeeto/hash-prospector.
 * @param {number} value
 */
function mix(value) {
  value = (value + GOLDEN) >>> 0;
  value = Math.imul(value ^ (value >>> 16), 0x21f0aaad) >>> 0;
  value = Math.imul(value ^ (value >>> 15), 0x735a2d97) >>> 0;
  return (value ^ (value >>> 15)) >>> 0;
}

/**
 * The key of a face: of the wall's seed, and of its place there and among neighbours.
 * @param {number} seed a whole number from 0 to 2^32 - 1, and so are the places
 * @param {...number} places
 */
export function derive(seed, ...places) {
  return places.reduce((key, place) => mix((key ^ mix(place)) >>> 0), mix(mix(seed)));
}

/**
 * A uniform number between 0 and 1, exclusive.
 * @param {number} key
 * @param {number} counter
 */
export function uniform(key, counter) {
  return (mix(mix((key ^ mix(Math.imul(counter, GOLDEN) >>> 0)) >>> 0)) + 0.5) / 2 ** 32;
}

/**
 * Standard normal numbers, by the Box-Muller transform of the uniform numbers from counter 1 on.
 * @param {number} key
 * @param {number} count
 */
export function noise(key, count) {
  const numbers = new Float32Array(count);
  for (let place = 0; place < count; place += 2) {
    const radius = Math.sqrt(-2 * Math.log(uniform(key, place + 1)));
    const angle = 2 * Math.PI * uniform(key, place + 2);
    numbers[place] = radius * Math.cos(angle);
    if (place + 1 < count) numbers[place + 1] = radius * Math.sin(angle);
  }
  return numbers;
}

/** A seed that nobody knows. */
export function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}
