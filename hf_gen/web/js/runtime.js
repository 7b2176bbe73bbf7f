/** onnxruntime-web: whether the browser can run it, its files, and the sessions of models. */

import { readBytes } from "./files.js";

/** @typedef {typeof import("onnxruntime-web")} Ort */
/** @typedef {import("onnxruntime-web").InferenceSession} Session */

// A module with one function that takes a vector of 128 bits.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0,
  253, 15, 253, 98, 11];
const MAX_THREADS = 4;

/** Whether WebAssembly with SIMD runs here: Chrome 91, Firefox 89, Safari 16.4, and later ones. */
export function isSupported() {
  return typeof WebAssembly === "object" && WebAssembly.validate(Uint8Array.from(SIMD));
}

/**
 * What is verified is what is executed: the modules are imported from memory.
 * @param {import("./manifest.js").Runtime} runtime
 * @param {(bytes: number) => void} progress
 * @returns {Promise<Ort>}
 */
export async function loadRuntime({ url, compressed, files }, progress) {
  const read = (/** @type {string} */ name) => {
    const { bytes, integrity } = files[name];
    const place = `${url}${name}${compressed ? ".gzip" : ""}`;
    return readBytes(place, bytes, progress, { integrity, compressed });
  };
  const [main, glue, wasm] = await Promise.all([
    read("ort.wasm.min.mjs"),
    read("ort-wasm-simd-threaded.mjs"),
    read("ort-wasm-simd-threaded.wasm"),
  ]);
  /** @type {Ort} */
  const ort = await import(moduleUrl(main));
  ort.env.wasm.wasmBinary = wasm.buffer;
  ort.env.wasm.wasmPaths = { mjs: moduleUrl(glue) };
  // Threads share memory, which a browser allows to pages that their server isolates.
  ort.env.wasm.numThreads = crossOriginIsolated
    ? Math.min(MAX_THREADS, navigator.hardwareConcurrency)
    : 1;
  return ort;
}

/** @param {import("./manifest.js").Runtime} runtime */
export function runtimeBytes(runtime) {
  return Object.values(runtime.files).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** @param {Uint8Array<ArrayBuffer>} source */
function moduleUrl(source) {
  return URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
}
