// What the browser does by itself: the menu of a face, the address, files, dividers, the pad.
const hfGen = (() => {
  const find = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  let bus = () => {}, acted = false, walkFrom = null, menuFace = null;

  // Gradio's page is seen when it is complete: until then there is the poster.
  function reveal() {
    let timer;
    const ready = () => {
      watch.disconnect();
      document.body.classList.add("ready");
      find("#poster")?.remove();
    };
    const watch = new MutationObserver(() => {
      if (!find('gradio-app [role="tab"]') || !find("gradio-app .strip")) return;
      clearTimeout(timer);
      timer = setTimeout(ready, 200);
    });
    watch.observe(document.body, { childList: true, subtree: true });
    setTimeout(ready, 15000);
  }
  addEventListener("DOMContentLoaded", reveal);

  // Addresses: what a visitor does is a step of the history, what follows from it belongs to it.
  for (const kind of ["pointerdown", "keydown", "input", "drop", "paste"]) {
    addEventListener(kind, () => { acted = true; }, true);
  }
  function address(names, defaults, values) {
    const query = new URLSearchParams();
    const theme = new URLSearchParams(location.search).get("__theme");
    if (theme) query.set("__theme", theme);
    names.forEach((name, place) => {
      const value = [].concat(values[place] ?? "").join(",");
      if (value !== defaults[place] && !value.includes("upload:")) query.set(name, value);
    });
    const face = values[names.indexOf("face")], tab = values[names.indexOf("tab")];
    document.body.dataset.tab = tab;
    all(".thumbnails .face").forEach((one) =>
      one.setAttribute("aria-pressed", one.dataset.face === face));
    const next = location.pathname + (query.size ? `?${query}` : "");
    if (next === location.pathname + location.search) return;
    const before = new URLSearchParams(location.search);
    before.delete("edits"); query.delete("edits");
    const isStep = acted && before.toString() !== query.toString();
    if (isStep) acted = false;
    history[isStep ? "pushState" : "replaceState"](null, "", next);
  }
  addEventListener("popstate", () => { acted = false; bus("restore", { query: location.search }); });
  async function copy() {
    try { await navigator.clipboard.writeText(location.href); return "Copied"; }
    catch { return "Copy it from the address bar"; }
  }
  async function afterCopy() {
    await new Promise((done) => setTimeout(done, 2000));
    return "Copy link";
  }

  // The menu of a face
  const ACTIONS = { edit: "Edit", like: "More like this", cartoon: "As a cartoon",
    walk: "Walk to …", compare: "Through the models" };
  function go(data) {
    bus("go", data);
    const target = { like: "#like", walk: "#walk" }[data.action] ?? ".main";
    setTimeout(() => find(target)?.scrollIntoView({ behavior: "smooth", block: "start" }), 300);
  }
  function menu() {
    let box = find("#face-menu");
    if (box) return box;
    box = document.createElement("div");
    box.id = "face-menu";
    box.popover = "auto";
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "What to do with this face");
    for (const [action, words] of Object.entries(ACTIONS)) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: words });
      button.dataset.do = action;
      box.append(button);
    }
    box.addEventListener("click", ({ target }) => {
      const action = target.dataset.do;
      if (!action) return;
      box.hidePopover();
      if (action !== "walk") return go({ action, face: menuFace });
      walkFrom = menuFace;
      say("Now click on the face to walk to.");
    });
    document.body.append(box);
    return box;
  }
  function openMenu(face) {
    const box = menu(), place = face.getBoundingClientRect();
    menuFace = face.dataset.face;
    const isCartoon = /^(example|made):cartoon/.test(menuFace);
    box.querySelector("[data-do=cartoon]").textContent =
      isCartoon ? "As an anime face" : "As a cartoon";
    box.showPopover();
    box.style.left = `${Math.max(8, Math.min(place.left, innerWidth - box.offsetWidth - 8))}px`;
    box.style.top = `${Math.max(8, Math.min(place.bottom + 4, innerHeight - box.offsetHeight - 8))}px`;
    box.querySelector("button").focus();
  }
  function say(words) {
    let box = find("#say");
    if (!box) {
      box = Object.assign(document.createElement("div"), { id: "say" });
      box.setAttribute("role", "status");
      document.body.append(box);
    }
    box.textContent = words;
    box.hidden = !words;
  }
  document.addEventListener("click", ({ target }) => {
    const face = target.closest?.("button.face");
    if (face && walkFrom) {
      go({ action: "walk", face: walkFrom, other: face.dataset.face });
      walkFrom = null;
      say("");
    } else if (face) {
      face.dataset.action ? go({ action: face.dataset.action, face: face.dataset.face })
        : openMenu(face);
    }
    if (target.closest?.(".camera")) camera();
    if (target.closest?.(".share")) share();
    const save = target.closest?.("[data-save]");
    if (save) keep(save.closest("figure").querySelector("img").src, save.dataset.save);
    if (target.matches?.(".show-pixels")) document.body.classList.toggle("pixels", target.checked);
  });

  // Files: dropped or pasted anywhere, or from the camera
  function deliver(files) {
    const input = find(".upload input[type=file], input[type=file].upload, .tray input[type=file]");
    const images = [...files];
    if (!input || !images.length) return;
    const transfer = new DataTransfer();
    images.forEach((file) => transfer.items.add(file));
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => { event.preventDefault(); deliver(event.dataTransfer.files); });
  addEventListener("paste", (event) => deliver(event.clipboardData?.files ?? []));
  async function camera() {
    let stream;
    try { stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" } }); }
    catch { say("There is no camera here, or it may not be used."); setTimeout(() => say(""), 4000); return; }
    const box = document.createElement("dialog");
    box.className = "camera-box";
    box.innerHTML = '<video autoplay playsinline muted></video><p><button class="take">Take the photo</button> <button class="leave">Cancel</button></p>';
    const video = box.querySelector("video");
    video.srcObject = stream;
    const end = () => { stream.getTracks().forEach((track) => track.stop()); box.remove(); };
    box.addEventListener("close", end);
    box.querySelector(".leave").onclick = () => box.close();
    box.querySelector(".take").onclick = () => {
      const canvas = document.createElement("canvas");
      const side = Math.min(video.videoWidth, video.videoHeight);
      canvas.width = canvas.height = side;
      canvas.getContext("2d").drawImage(video, (video.videoWidth - side) / 2,
        (video.videoHeight - side) / 2, side, side, 0, 0, side, side);
      canvas.toBlob((blob) => { deliver([new File([blob], "camera.png")]); box.close(); });
    };
    document.body.append(box);
    box.showModal();
  }
  // Your own picture is seen at once: from a tab that shows none the page goes to Edit.
  function showFace() {
    if (["edit", "reconstruct", "translate"].includes(document.body.dataset.tab)) return;
    all('[role="tab"]').find((tab) => tab.textContent.trim() === "Edit")?.click();
  }
  function share() {
    const image = find(".large img"), words = find(".large .face")?.getAttribute("aria-label");
    if (!image) return;
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 760 });
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#1e1b4b";
    pen.fillRect(0, 0, 640, 760);
    pen.imageSmoothingEnabled = !document.body.classList.contains("pixels");
    pen.imageSmoothingQuality = "high";
    pen.drawImage(image, 0, 0, 640, 640);
    pen.fillStyle = "#fff";
    pen.font = "600 26px system-ui, sans-serif";
    pen.fillText(words, 20, 684, 600);
    pen.font = "16px system-ui, sans-serif";
    pen.fillText(location.href.replace(/[?&]__theme=\w+/, ""), 20, 726, 600);
    keep(canvas.toDataURL("image/png"), "face.png");
  }
  function keep(href, download) {
    Object.assign(document.createElement("a"), { href, download }).click();
  }

  // Dividers move together; the pad shows the face under the finger.
  document.addEventListener("input", ({ target }) => {
    if (!target.matches?.(".pair input")) return;
    document.documentElement.style.setProperty("--split", `${target.value}%`);
    all(".pair input").forEach((one) => { one.value = target.value; });
  });
  function padTo(field, x, y) {
    const last = field.dataset.count - 1;
    x = Math.max(0, Math.min(1, x)); y = Math.max(0, Math.min(1, y));
    const column = Math.round(x * last), row = Math.round(y * last);
    field.style.setProperty("--x", x);
    field.style.setProperty("--y", y);
    field.dataset.x = x; field.dataset.y = y;
    field.setAttribute("aria-valuenow", row * (last + 1) + column);
    const tiles = field.previousElementSibling;
    tiles.style.backgroundPosition = `${(100 * column) / last}% ${(100 * row) / last}%`;
  }
  for (const kind of ["pointerdown", "pointermove"]) {
    document.addEventListener(kind, (event) => {
      const field = event.target.closest?.(".field");
      if (!field || (kind === "pointermove" && !event.buttons)) return;
      const box = field.getBoundingClientRect();
      padTo(field, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    });
  }
  document.addEventListener("keydown", (event) => {
    const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if (!x && !y) return;
    const { target } = event;
    if (target.matches?.(".field")) {
      event.preventDefault();
      const step = 1 / (target.dataset.count - 1);
      padTo(target, +(target.dataset.x ?? 0.5) + x * step, +(target.dataset.y ?? 0.5) + y * step);
    } else if (target.matches?.('[role="tab"]') && x) {
      const tabs = [...target.parentElement.querySelectorAll('[role="tab"]')];
      const next = tabs[(tabs.indexOf(target) + x + tabs.length) % tabs.length];
      next.focus();
      next.click();
    }
  });
  return { address, copy, afterCopy, showFace, set bus(trigger) { bus = trigger; } };
})();
globalThis.hfGen = hfGen;
