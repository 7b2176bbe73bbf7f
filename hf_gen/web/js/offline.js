/** Starts the service worker, which keeps what is read for when the network is off. */

import { wait } from "./dom.js";

const PATIENCE = 4000; // milliseconds

/** @returns {Promise<boolean>} whether what is read from now on is kept */
export async function keepOffline() {
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
