import assert from "node:assert/strict";
import { test } from "node:test";

import { checkManifest, checkPage, Refused } from "../../../hf_gen/web/js/manifest.js";

const INTEGRITY = `sha384-${"A".repeat(64)}`;
const page = () => ({
  format_version: 1,
  title: "Faces",
  runtime: { url: "vendor/", compressed: true, files: { "a.wasm": { bytes: 9, integrity: INTEGRITY } } },
  models: [{ name: "<b>mine</b>", kind: "autoencoder", folder: "models/mine",
    pictures: { seed: 7, tile: 64, count: 24, steps: 5, stride: 11 } }],
});
const graph = (/** @type {string} */ name) => ({ file: `${name}.onnx`, bytes: 100,
  inputs: { latents: { shape: ["batch", 2, 1, 1] } } });
const manifest = () => ({
  format_version: 1,
  resolution: 64,
  license: "mit",
  prior: { temperature: 1, mean: [1, 2] },
  directions: [
    { name: "tilt", low: -1, high: 1, kind: "slider", vector: [0, 1] },
    { name: "hue", low: 0, high: 1, kind: "wheel", vectors: [[1, 0], [0, 1]],
      readers: [[1, 0], [0, 1]], offsets: [0, 0] },
  ],
  kl_weight: { low: 0.01, high: 100, default: 1 },
  graphs: { encoder: graph("encoder"), decoder: graph("decoder"), prior: graph("prior") },
});
const translation = () => ({
  format_version: 1,
  resolution: 64,
  domains: { a: "anime", b: "cartoon" },
  graphs: { a_to_b: graph("a_to_b"), b_to_a: graph("b_to_a") },
});

/**
 * A deep copy with one value replaced.
 * @param {any} value @param {string} path @param {unknown} replacement
 */
function changed(value, path, replacement) {
  const copy = structuredClone(value);
  const names = path.split("/");
  const last = /** @type {string} */ (names.pop());
  names.reduce((part, name) => part[name], copy)[last] = replacement;
  return copy;
}

test("what an export writes is accepted, and texts stay texts", () => {
  assert.equal(checkPage(page()).models[0].name, "<b>mine</b>");
  const read = checkManifest(manifest(), "autoencoder");
  assert.ok(read.kind === "autoencoder");
  assert.equal(read.size, 2);
  assert.deepEqual(read.mean, Float32Array.of(1, 2));
  assert.equal(read.about, "License: mit.");
  assert.deepEqual(read.klWeight, { low: 0.01, high: 100, value: 1 });
  assert.equal(checkManifest(translation(), "translation").kind, "translation");
});

test("what a manifest may leave out", () => {
  const { prior, directions, kl_weight, license, ...rest } = manifest();
  const read = checkManifest({ ...rest, prior: { temperature: 1 } }, "autoencoder");
  assert.ok(read.kind === "autoencoder");
  assert.deepEqual(read.mean, new Float32Array(2));
  assert.deepEqual([read.directions, read.klWeight, read.about], [[], null, ""]);
});

for (const [path, value] of /** @type {[string, unknown][]} */ ([
  ["format_version", 2],
  ["title", ""],
  ["title", "a".repeat(301)],
  ["runtime/url", "http://example.org/"],
  ["runtime/url", "../vendor/"],
  ["runtime/files", { "../a.wasm": { bytes: 9, integrity: INTEGRITY } }],
  ["runtime/files/a.wasm/integrity", "sha1-x"],
  ["runtime/files/a.wasm/bytes", 1e12],
  ["models", []],
  ["models", Array(17).fill(page().models[0])],
  ["models/0/kind", "other"],
  ["models/0/folder", "models/../../etc"],
  ["models/0/folder", "https://example.org/models/mine"],
  ["models/0/pictures/tile", 4096],
  ["models/0/pictures/count", 1e9],
  ["models/0/pictures/steps", 0.5],
])) {
  test(`page.json with ${path} ${JSON.stringify(value)?.slice(0, 40)} is refused`, () => {
    assert.throws(() => checkPage(changed(page(), path, value)), Refused);
  });
}

for (const [path, value] of /** @type {[string, unknown][]} */ ([
  ["format_version", "1"],
  ["resolution", 100_000],
  ["resolution", "64"],
  ["graphs/decoder", undefined],
  ["graphs/decoder/file", "../../decoder.onnx"],
  ["graphs/decoder/file", "/decoder.onnx"],
  ["graphs/decoder/file", "https://example.org/decoder.onnx"],
  ["graphs/decoder/file", ".."],
  ["graphs/decoder/file", "decoder.onnx?x"],
  ["graphs/decoder/bytes", 1e10],
  ["graphs/decoder/inputs/latents/shape", ["batch", 1e9, 1, 1]],
  ["graphs/decoder/inputs/latents/shape", ["batch", 300, 300, 300]],
  ["graphs/decoder/inputs/latents/shape", ["batch", 2]],
  ["prior/mean", [1]],
  ["prior/mean", [1, null]],
  ["prior/temperature", -1],
  ["directions/0/vector", [1, "2"]],
  ["directions/0/low", 2],
  ["directions/0/high", -1],
  ["directions/0/kind", "other"],
  ["directions/1/readers", [[1, 0]]],
  ["directions/1/offsets", [0, "0"]],
  ["directions", Array(65).fill(manifest().directions[0])],
  ["kl_weight/low", 0],
  ["kl_weight/default", 1000],
  ["license", ["mit"]],
  ["training_data", "a".repeat(2001)],
])) {
  test(`manifest.json with ${path} ${JSON.stringify(value)?.slice(0, 40)} is refused`, () => {
    assert.throws(() => checkManifest(changed(manifest(), path, value), "autoencoder"), Refused);
  });
}

test("a message is short, whatever a file says", () => {
  const long = changed(page(), "models/0/kind", "a".repeat(1e6));
  assert.throws(() => checkPage(long), ({ message }) => message.length < 200);
});

test("nothing but an object is a manifest", () => {
  for (const value of [null, 3, "text", [], undefined]) {
    assert.throws(() => checkManifest(value, "autoencoder"), Refused);
    assert.throws(() => checkPage(value), Refused);
  }
});
