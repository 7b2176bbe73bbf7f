import assert from "node:assert/strict";
import { createHash, webcrypto } from "node:crypto";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { deflateSync, gzipSync, inflateSync } from "node:zlib";

import { animate, chunks } from "../../../hf_gen/web/js/apng.js";
import { readBytes, readJson } from "../../../hf_gen/web/js/files.js";

globalThis.crypto ??= /** @type {Crypto} */ (webcrypto); // Node 18 has none

const CONTENT = Buffer.from("a file of 24 characters.");
const INTEGRITY = `sha384-${createHash("sha384").update(CONTENT).digest("base64")}`;
const server = createServer((request, response) => {
  const path = request.url ?? "";
  if (path === "/missing") response.statusCode = 404;
  response.end(path === "/packed" ? gzipSync(CONTENT) : CONTENT);
});
/** @type {string} */
let url;

before(async () => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(null)));
  url = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
});
after(() => server.close());

for (const [path, compressed] of /** @type {[string, boolean][]} */ ([["plain", false], ["packed", true]])) {
  test(`a ${path} file is read, measured and checked`, async () => {
    let told = 0;
    const progress = (/** @type {number} */ bytes) => (told += bytes);
    const read = await readBytes(`${url}/${path}`, 24, progress, { integrity: INTEGRITY, compressed });
    assert.deepEqual(Buffer.from(read), CONTENT);
    assert.equal(told, 24);
  });
}

for (const [size, path, options, message] of /** @type {[number, string, {integrity?: string}, RegExp][]} */ ([
  [23, "plain", {}, /larger than its 23 bytes/],
  [25, "plain", {}, /24 bytes in place of 25/],
  [24, "missing", {}, /the server says 404/],
  [24, "plain", { integrity: INTEGRITY.replace(/.$/, "=") }, /not the file that this page was made for/],
])) {
  test(`${path} with ${size} bytes: ${message.source}`, async () => {
    await assert.rejects(readBytes(`${url}/${path}`, size, () => {}, options), message);
  });
}

test("what is not JSON is named", async () => {
  await assert.rejects(readJson(`${url}/plain`), /plain is not JSON/);
});

test("no server is a network that is off", async () => {
  await assert.rejects(readJson("http://127.0.0.1:1/page.json"), /is the network off/);
});

/** @param {number} grey a PNG of one pixel */
function png(grey) {
  const pixel = deflateSync(Uint8Array.of(0, grey));
  const header = Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0);
  const part = (/** @type {string} */ kind, /** @type {Uint8Array} */ data) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    return Buffer.concat([length, Buffer.from(kind), data, Buffer.alloc(4)]);
  };
  const signature = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
  return Buffer.concat([signature, part("IHDR", header), part("IDAT", pixel), part("IEND", Buffer.alloc(0))]);
}

test("an animated PNG has the frames in their order", () => {
  const found = chunks(animate([png(10), png(20), png(30)], 90));
  assert.deepEqual(found.map(({ kind }) => kind),
    ["IHDR", "acTL", "fcTL", "IDAT", "fcTL", "fdAT", "fcTL", "fdAT", "IEND"]);
  const numbered = found.filter(({ kind }) => kind === "fcTL" || kind === "fdAT");
  assert.deepEqual(numbered.map(({ data }) => data[3]), [0, 1, 2, 3, 4]);
  assert.equal(inflateSync(found[3].data)[1], 10);
  assert.equal(inflateSync(found[7].data.subarray(4))[1], 30);
});
