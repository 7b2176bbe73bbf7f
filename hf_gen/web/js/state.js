/** What is shown, which the address after # holds: whoever opens the link sees the same. */

export const WALL = 24; // faces
export const NEIGHBOURS = 12;
/** The face that is a picture of the visitor, which no address holds. */
export const PICTURE = WALL;

/**
 * @typedef {object} State
 * @property {string} model
 * @property {number} seed of the wall
 * @property {number | null} face its place on the wall; null if none is open
 * @property {number[]} near of each neighbour that was chosen in turn, its place
 * @property {number[]} corners the places on the wall of the other three faces of the pad
 * @property {number[]} pad where on the pad: x and y from 0 to 1
 * @property {Map<string, number>} edits values of sliders
 * @property {number | null} kl the KL weight; null for the default
 */

/** @param {string} model @param {number} seed @returns {State} */
export function initial(model, seed) {
  return { model, seed, ...closed(), kl: null };
}

/** What a state has of no face. */
export function closed() {
  return {
    face: /** @type {number | null} */ (null),
    near: /** @type {number[]} */ ([]),
    corners: [0, 0, 0],
    pad: [0, 0],
    edits: /** @type {Map<string, number>} */ (new Map()),
  };
}

/** What a state has of one that was just opened. @param {number} face */
export function opened(face) {
  return { ...closed(), face, corners: [1, 2, 3].map((step) => (face + step) % WALL) };
}

/** @param {State} state @returns {string} starts with # */
export function toHash(state) {
  const values = new URLSearchParams({ model: state.model, seed: `${state.seed}` });
  if (state.kl !== null) values.set("kl", short(state.kl));
  if (state.face !== null && state.face !== PICTURE) {
    values.set("face", `${state.face}`);
    if (state.near.length) values.set("near", state.near.join("."));
    values.set("corners", state.corners.join("."));
    if (state.pad.some(Boolean)) values.set("pad", state.pad.map(short).join("~"));
    for (const [name, value] of state.edits) values.set(`do-${name}`, short(value));
  }
  return `#${values}`;
}

/**
 * @param {string} hash of the address: anything
 * @param {State} start what is shown where it says nothing
 * @param {string[]} models
 * @returns {{state: State, ignored: string[]}} and the names of what makes no sense
 */
export function fromHash(hash, start, models) {
  const values = new URLSearchParams(hash.slice(1, 4000));
  const state = { ...start };
  /** @type {string[]} */
  const ignored = [];
  const face = values.get("face");
  if (face !== null && isPlace(face, WALL)) Object.assign(state, opened(Number(face)));
  for (const [name, value] of values) {
    if (!take(state, name, value, models)) ignored.push(name.slice(0, 40));
  }
  return { state, ignored };
}

/** @param {State} state @param {string} name @param {string} value @param {string[]} models */
function take(state, name, value, models) {
  const places = value.split(".");
  if (name === "model" && models.includes(value)) state.model = value;
  else if (name === "seed" && isPlace(value, 2 ** 32)) state.seed = Number(value);
  else if (name === "kl" && inside(value, 1e-6, 1e6)) state.kl = Number(value);
  else if (state.face === null) return false;
  else if (name === "face" && isPlace(value, WALL)) return true;
  else if (name === "near" && places.length <= 50 && places.every((one) => isPlace(one, NEIGHBOURS))) {
    state.near = places.map(Number);
  } else if (name === "corners" && places.length === 3 && places.every((one) => isPlace(one, WALL))) {
    state.corners = places.map(Number);
  } else if (name === "pad" && /^[^~]+~[^~]+$/.test(value)) {
    const pad = value.split("~");
    if (!pad.every((one) => inside(one, 0, 1))) return false;
    state.pad = pad.map(Number);
  } else if (name.startsWith("do-") && inside(value, -1e6, 1e6) && state.edits.size < 64) {
    state.edits = new Map(state.edits).set(name.slice(3), Number(value));
  } else return false;
  return true;
}

/** @param {string} value @param {number} count */
function isPlace(value, count) {
  return /^\d{1,10}$/.test(value) && Number(value) < count;
}

/** @param {string} value @param {number} low @param {number} high */
function inside(value, low, high) {
  return /^-?\d{1,7}(\.\d{1,9})?$/.test(value) && Number(value) >= low && Number(value) <= high;
}

/** @param {number} value with at most 4 digits behind the point */
function short(value) {
  return `${Number(value.toFixed(4))}`;
}
