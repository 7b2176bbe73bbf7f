import assert from "node:assert/strict";
import { test } from "node:test";

import { fromHash, initial, opened, PICTURE, toHash } from "../../../hf_gen/web/js/state.js";

const START = initial("face-vae", 7);
const MODELS = ["face-vae", "user/mine"];

test("an address holds the whole state", () => {
  const states = [
    START,
    { ...START, ...opened(23) },
    { ...START, ...opened(3), model: "user/mine", seed: 2 ** 32 - 1, near: [0, 11, 4],
      corners: [9, 8, 7], pad: [0.25, 1], kl: 0.01, edits: new Map([["head_tilt", -1.5], ["<b>", 2]]) },
  ];
  for (const state of states) {
    assert.deepEqual(fromHash(toHash(state), START, MODELS), { state, ignored: [] });
  }
});

test("a picture of the visitor is in no address", () => {
  assert.equal(toHash({ ...START, ...opened(0), face: PICTURE }), toHash(START));
});

test("an empty address is the start", () => {
  assert.deepEqual(fromHash("", START, MODELS), { state: START, ignored: [] });
});

for (const [hash, ...ignored] of [
  ["#nonsense", "nonsense"],
  ["#model=../other", "model"],
  ["#seed=1e9&seed=-1&seed=4294967296", "seed", "seed", "seed"],
  ["#face=24", "face"],
  ["#face=2&near=12&corners=1.2&pad=0.5~2&do-tilt=NaN&kl=0", "near", "corners", "pad", "do-tilt", "kl"],
  ["#near=1", "near"],
  ["#do-tilt=1", "do-tilt"],
  [`#face=2&near=${Array(51).fill(0).join(".")}`, "near"],
  ["#__proto__=1&constructor=2", "__proto__", "constructor"],
  ["#%E0%A4%A", "\ufffd%A"],
]) {
  test(`${hash.slice(0, 40)} is left out`, () => {
    const read = fromHash(hash, START, MODELS);
    assert.deepEqual(read.ignored, ignored);
    const isOpen = hash.includes("face=2&");
    assert.deepEqual(read.state, isOpen ? { ...START, ...opened(2) } : START);
  });
}

test("a link as long as a book is cut", () => {
  const { ignored } = fromHash(`#${"a=1&".repeat(1e6)}`, START, MODELS);
  assert.ok(ignored.length < 2000);
});
