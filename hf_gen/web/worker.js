/** The service worker: what was read once is there when the network is not. */

/// <reference lib="webworker" />
const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const CACHE = "hf_gen-page";

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(respond(event));
});

async function install() {
  const page = await (await fetch("page.json")).json();
  const cache = await caches.open(CACHE);
  await cache.addAll([...new Set(["./", "page.json", ...page.files])]);
  await worker.skipWaiting();
}

/**
 * From the network, so that a page that was exported again is seen, or else as it was last read.
 * @param {FetchEvent} event
 */
async function respond(event) {
  const { request } = event;
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok) {
      // A full disk takes nothing from who is online.
      event.waitUntil(cache.put(request, response.clone()).catch(() => {}));
    }
    return response;
  } catch {
    return (await cache.match(request, { ignoreSearch: true })) ?? Response.error();
  }
}
