import assert from "node:assert/strict";
import { test } from "node:test";

import { closedWalk, cornerWeights, mix, move, neighbour } from "../../../hf_gen/web/js/latents.js";
import { noise } from "../../../hf_gen/web/js/random.js";

const MEAN = Float32Array.of(1, 2, 3);
const CODES = [1, 2, 3, 4].map((key) => noise(key, 3));

/** @param {ArrayLike<number>} one @param {ArrayLike<number>} other */
function near(one, other) {
  assert.equal(one.length, other.length);
  for (let i = 0; i < one.length; i++) assert.ok(Math.abs(one[i] - other[i]) < 1e-5, `${one[i]} ${other[i]}`);
}

test("a corner of the pad is its face", () => {
  [[0, 0], [1, 0], [0, 1], [1, 1]].forEach(([x, y], corner) => {
    near(mix(CODES, cornerWeights(x, y), MEAN), CODES[corner]);
  });
});

test("mixtures of independent codes are spread as the codes are", () => {
  const centre = new Float32Array(2000);
  const codes = [1, 2, 3, 4].map((key) => noise(key, 2000));
  for (const place of [[0.5, 0.5], [0.2, 0.9]]) {
    const mixed = mix(codes, cornerWeights(place[0], place[1]), centre);
    const variance = mixed.reduce((sum, value) => sum + value ** 2, 0) / mixed.length;
    assert.ok(Math.abs(variance - 1) < 0.13, `${variance}`);
  }
});

test("a neighbour is mean + (1 - s^2)^(1/2) (code - mean) + s (sample - mean), s = 0.5", () => {
  const [code, sample] = CODES;
  const expected = MEAN.map((mean, i) =>
    mean + Math.sqrt(0.75) * (code[i] - mean) + 0.5 * (sample[i] - mean));
  near(neighbour(code, sample, MEAN), expected);
});

test("a slider adds its vector", () => {
  const direction = /** @type {const} */ ({ name: "tilt", low: -1, high: 1, kind: "slider",
    vector: Float32Array.of(1, 0, -2) });
  near(move(CODES[0], [direction], new Map([["tilt", 0.5]])),
    [CODES[0][0] + 0.5, CODES[0][1], CODES[0][2] - 1]);
  near(move(CODES[0], [direction], new Map([["other", 5]])), CODES[0]);
  near(move(CODES[0], [direction], new Map([["tilt", 99]])),
    move(CODES[0], [direction], new Map([["tilt", 1]])));
});

test("a wheel moves what its readers read to the hue", () => {
  const wheel = /** @type {const} */ ({ name: "constructor", low: 0, high: 1, kind: "wheel",
    vectors: [Float32Array.of(1, 0, 0), Float32Array.of(0, 1, 0)],
    readers: [Float32Array.of(1, 0, 0), Float32Array.of(0, 1, 0)], offsets: [0.25, -0.5] });
  const moved = move(CODES[0], [wheel], new Map([["constructor", 1 / 3]]));
  near(moved, [Math.cos((2 * Math.PI) / 3) - 0.25, Math.sin((2 * Math.PI) / 3) + 0.5, CODES[0][2]]);
  near(move(CODES[0], [wheel], new Map()), CODES[0]); // not the constructor of an object
});

test("a walk goes through its stations and ends where it starts", () => {
  const walk = closedWalk(CODES, 6, MEAN);
  assert.equal(walk.length, 24);
  CODES.forEach((code, place) => near(walk[6 * place], code));
});
