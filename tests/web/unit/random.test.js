import assert from "node:assert/strict";
import { test } from "node:test";

import { derive, noise, uniform } from "../../../hf_gen/web/js/random.js";

test("the same key gives the same noise, and another key other noise", () => {
  assert.deepEqual(noise(derive(7, 3), 5), noise(derive(7, 3), 5));
  assert.notDeepEqual(noise(derive(7, 3), 5), noise(derive(7, 4), 5));
  assert.notEqual(derive(1, 2), derive(2, 1));
});

test("a longer vector starts as a shorter one", () => {
  assert.deepEqual(noise(9, 7).slice(0, 4), noise(9, 4));
});

test("noise is standard normal", () => {
  const numbers = Array.from({ length: 400 }, (_, place) => [...noise(derive(0, place), 50)]).flat();
  const moment = (/** @type {number} */ power) =>
    numbers.reduce((sum, value) => sum + value ** power, 0) / numbers.length;
  // Four standard errors of 20,000 numbers.
  assert.ok(Math.abs(moment(1)) < 0.03);
  assert.ok(Math.abs(moment(2) - 1) < 0.04);
  assert.ok(Math.abs(moment(3)) < 0.11);
  assert.ok(Math.abs(moment(4) - 3) < 0.28);
});

test("uniform numbers fill their range and never reach its ends", () => {
  const numbers = Array.from({ length: 10_000 }, (_, counter) => uniform(5, counter));
  assert.ok(numbers.every((value) => value > 0 && value < 1));
  const shares = Array.from({ length: 10 }, (_, tenth) =>
    numbers.filter((value) => Math.floor(10 * value) === tenth).length / numbers.length);
  assert.ok(shares.every((share) => Math.abs(share - 0.1) < 0.015));
});
