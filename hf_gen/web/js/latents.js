/** Arithmetic of latents, which are flat arrays: as hf_gen/pipelines/edits.py and its directions. */

/** @typedef {import("./manifest.js").Direction} Direction */

const NEIGHBOUR_STRENGTH = 0.5;

/**
 * A weighted mean around `mean`, spread as widely as the codes are: mean + sum w (code - mean) / |w|.
 * @param {Float32Array[]} codes
 * @param {number[]} weights at least one is not 0
 * @param {Float32Array} mean
 */
export function mix(codes, weights, mean) {
  const norm = Math.hypot(...weights);
  const mixed = Float32Array.from(mean);
  codes.forEach((code, row) => {
    const share = weights[row] / norm;
    if (share) for (let i = 0; i < mixed.length; i++) mixed[i] += share * (code[i] - mean[i]);
  });
  return mixed;
}

/**
 * A face like another one: its code mixed with a sample, so that their spread stays what it is.
 * @param {Float32Array} code
 * @param {Float32Array} sample
 * @param {Float32Array} mean
 */
export function neighbour(code, sample, mean) {
  const kept = Math.sqrt(1 - NEIGHBOUR_STRENGTH ** 2);
  return mix([code, sample], [kept, NEIGHBOUR_STRENGTH], mean);
}

/**
 * The weights of the four corners of a pad: top left, top right, bottom left, bottom right.
 * @param {number} x from 0, left, to 1
 * @param {number} y from 0, top, to 1
 */
export function cornerWeights(x, y) {
  return [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y];
}

/**
 * A code moved along directions: a slider adds a vector, a wheel sets a hue.
 * @param {Float32Array} code
 * @param {Direction[]} directions
 * @param {Map<string, number>} values by the names of directions, kept in their ranges
 */
export function move(code, directions, values) {
  const moved = Float32Array.from(code);
  for (const direction of directions) {
    const asked = values.get(direction.name);
    if (asked === undefined) continue;
    const value = Math.min(direction.high, Math.max(direction.low, asked));
    if (direction.kind === "slider") {
      add(moved, value, direction.vector);
      continue;
    }
    const angle = 2 * Math.PI * value;
    const target = [Math.cos(angle), Math.sin(angle)];
    const changes = direction.readers.map(
      (reader, axis) => target[axis] - dot(moved, reader) - direction.offsets[axis],
    );
    direction.vectors.forEach((vector, axis) => add(moved, changes[axis], vector));
  }
  return moved;
}

/**
 * Codes of a closed walk through some codes, which goes through each of them.
 * @param {Float32Array[]} stations
 * @param {number} steps from one to the next
 * @param {Float32Array} mean
 */
export function closedWalk(stations, steps, mean) {
  return stations.flatMap((start, place) => {
    const end = stations[(place + 1) % stations.length];
    return Array.from({ length: steps }, (_, step) => {
      const share = (1 - Math.cos((Math.PI * step) / steps)) / 2; // slow at the faces
      return mix([start, end], [1 - share, share], mean);
    });
  });
}

/** @param {Float32Array} code @param {number} factor @param {Float32Array} vector */
function add(code, factor, vector) {
  for (let i = 0; i < code.length; i++) code[i] += factor * vector[i];
}

/** @param {Float32Array} code @param {Float32Array} vector */
function dot(code, vector) {
  let sum = 0;
  for (let i = 0; i < code.length; i++) sum += code[i] * vector[i];
  return sum;
}
