/** Starts the service worker, which keeps what is read for when the network is off. */

import { wait } from "./dom.js";

const PATIENCE = 10_000; // milliseconds

/** @returns {Promise<boolean>} whether what is read from now on is kept */
export async function startKeeping() {
  const workers = navigator.serviceWorker; // only over https and on this machine
  if (!workers) return false;
  try {
    const isControlled = new Promise((resolve) => {
      workers.addEventListener("controllerchange", resolve, { once: true });
    });
    await workers.register("worker.js");
    if (!workers.controller) await Promise.race([isControlled, wait(PATIENCE)]);
    return Boolean(workers.controller);
  } catch {
    return false;
  }
}

/** Keeps what was read before the service worker was there. @param {Iterable<string>} addresses */
export async function keep(addresses) {
  const cache = await caches.open("hf_gen-page");
  for (const address of addresses) {
    if (await cache.match(address)) continue;
    await (await fetch(address, { cache: "force-cache" })).arrayBuffer();
  }
}
