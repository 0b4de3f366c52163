// Live figures, the time for a library, and photos to try. All addresses are relative, for a proxy with a path prefix.

const $ = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const { confidence, side, distance, photoSide } = Object.fromEntries(
  Object.entries(document.body.dataset).map(([name, value]) => [name, Number(value)]),
);

// Figures in words, as service/wording.py.

const count = (number) => number.toLocaleString("en");

function duration(hours) {
  if (hours < 1) {
    const minutes = Math.max(Math.round(60 * hours), 1);
    return `${minutes} minute${minutes > 1 ? "s" : ""}`;
  }
  if (hours < 48) return `${hours.toFixed(hours < 10 ? 1 : 0)} hours`;
  return `${count(Number((hours / 24).toFixed(1)))} days`;
}

function size(bytes) {
  const power = bytes >= 1024 ** 3 ? 3 : bytes >= 1024 ** 2 ? 2 : 1;
  const value = bytes / 1024 ** power;
  return `${value.toFixed(value < 10 ? 1 : 0)} ${["", "KiB", "MiB", "GiB"][power]}`;
}

const clock = (time) => time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

function localTimes(within) {
  for (const time of all("time", within)) {
    time.title = time.textContent;
    time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
  }
}

function element(name, text, properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...[text].flat());
  return made;
}

// Live figures: events of the service. Whatever is not a figure is taken from the page itself, loaded again.

const PARTS = ["verdict", "computes", "estimate", "failures", "hour"];
const RETRY = 3000; // Milliseconds between two attempts to connect.
const SILENCE = 10000; // Milliseconds without an event after which the page asks for the state.

let events;
let lastEvent = Date.now();
let revision = document.body.dataset.revision;
const shown = Object.fromEntries(PARTS.map((id) => [id, $(`#${id}`).outerHTML]));

function connect() {
  events?.close();
  events = new EventSource("events");
  events.addEventListener("status", (event) => update(JSON.parse(event.data)));
  events.onerror = () => {
    // The browser connects again by itself after a broken connection, but not after an answer with an error.
    if (events.readyState !== EventSource.CLOSED) return lost();
    setTimeout(() => document.hidden || connect(), RETRY);
    poll();
  };
}

// The state without events: too many streams are open, or a proxy keeps them back.
async function poll() {
  try {
    const answer = await fetch("status", { cache: "no-store" });
    if (answer.ok) update(await answer.json());
    else lost();
  } catch {
    lost();
  }
}

function connection(text, isLost) {
  if ($("#connection").textContent !== text) $("#connection").textContent = text; // announced, so not at each event
  document.body.classList.toggle("lost", isLost);
  $(".live").classList.toggle("on", !isLost);
}

const lost = () => connection("Connection lost, trying again. Last seen", true);

function update(status) {
  lastEvent = Date.now();
  const { activity, failures, stages, state } = status;
  for (const figure of all("[data-figure]")) {
    const name = figure.dataset.figure;
    const { used, limit } = activity.memory;
    figure.textContent = name === "memory" ? size(used) : name === "limit" ? size(limit) : count(activity[name]);
  }
  $("#gauge").setAttribute("width", Math.min((100 * activity.memory.used) / activity.memory.limit, 100));
  drawHour(activity.last_hour);
  connection("Live", false);
  $("#seen").textContent = clock(new Date());
  const minute = activity.last_hour.at(-1).start;
  const latest = `${state}|${stages.length}|${failures[0]?.time ?? ""}|${minute}`;
  if (latest !== revision) {
    revision = latest;
    refresh();
  }
}

async function refresh() {
  try {
    const answer = await fetch("./", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status); // of a proxy, whose service restarts
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = page.title;
    for (const id of PARTS) {
      const part = $(`#${id}`);
      const fresh = $(`#${id}`, page);
      if (!fresh || fresh.outerHTML === shown[id] || part.contains(document.activeElement)) continue;
      shown[id] = fresh.outerHTML;
      localTimes(fresh);
      part.replaceWith(document.adoptNode(fresh));
    }
    $("#plot-desc").textContent = $("#hour").textContent;
    showHours();
  } catch {
    revision = ""; // the next event tries again
  }
}

function drawHour(minutes) {
  const top = Math.max(10, ...minutes.map(({ photos, failed }) => photos + failed));
  $("#top").textContent = `${count(top)} photos a minute`;
  const unit = 100 / top;
  const path = (bars) =>
    bars.map(([start, height], index) => (height ? `M${10 * index + 1} ${100 - start}v-${height}h8v${height}z` : "")).join("");
  $("#answered-bars").setAttribute("d", path(minutes.map(({ photos }) => [0, unit * photos])));
  $("#failed-bars").setAttribute("d", path(minutes.map(({ photos, failed }) => [unit * photos, unit * failed])));
}

// Time for a library: proportional to its number of photos.

const library = $("#library");
const planned = Number(library.value);

function showHours() {
  const photos = library.valueAsNumber;
  if (!(photos > 0)) return;
  for (const cell of all("[data-hours]")) cell.textContent = duration((cell.dataset.hours * photos) / planned);
  for (const place of all("[data-library]")) place.textContent = place.closest("code") ? photos : count(photos);
}

// Photos to try. The key is in the tab's session storage, and nowhere else.

const REPAIRS = {
  0: ["No answer from the service.", "It may have stopped, or a proxy closed the connection. Send the photo again."],
  400: ["The upload was damaged on its way.", "Send the photo again; a proxy may have changed it."],
  401: ["The key is wrong.", "Copy it from the file api.key on the service's machine, or from the command ./face-model occ there."],
  404: ["There is no /detect at this address.", "The proxy in front has to pass all paths below its prefix."],
  408: ["The upload stalled.", "Send the photo again, over a faster connection."],
  412: ["The photo has too many pixels.", "Choose a smaller photo size above. FACE_MAXIMUM_AREA raises the limit."],
  413: ["The file is too large.", "Choose a photo size above, which shrinks it. A proxy in front may have a limit, too."],
  415: ["This file is not a photo that the service can read.", "Try a JPEG, PNG, HEIC, WebP, AVIF, TIFF or GIF."],
  422: ["The service cannot compute this photo.", "Try another one. The log has the reason."],
  502: ["The proxy reaches no service.", "Start the service, or correct its address in the proxy."],
  503: ["The service cannot answer now.", "It may be starting, or have too little memory. Send the photo again in a minute."],
  504: ["The proxy did not wait long enough.", "Raise its read time-out: photos wait while the service is busy."],
};
const JPEG_QUALITY = 0.8; // that of the app

// A header's characters are bytes: the key in UTF-8.
const bytes = (text) => String.fromCharCode(...new TextEncoder().encode(text));

const key = $("#key");
const slots = all(".slot").map((root) => ({ root, letter: root.dataset.slot, file: null, faces: [], run: 0 }));

function remember() {
  if (key.value) sessionStorage.setItem("key", key.value);
  else sessionStorage.removeItem("key");
  $("#forget").hidden = !key.value;
}

function message(slot, text, isError = false) {
  const place = $(".message", slot.root);
  place.replaceChildren(...[text].flat());
  place.classList.toggle("error", isError);
}

function clear(slot) {
  slot.faces = [];
  for (const part of all("canvas, .faces, .times, .again", slot.root)) part.hidden = true;
  compare();
}

async function take(slot, file) {
  if (!file) return;
  const run = ++slot.run; // a newer photo of the same slot wins
  slot.file = file;
  clear(slot);
  if (!key.value) {
    message(slot, "Enter the API key above, then the photo is sent.", true);
    key.focus();
    return;
  }
  slot.root.setAttribute("aria-busy", "true");
  message(slot, ["Waiting for the answer", element("span", "", { className: "elapsed", ariaHidden: "true" })]);
  const started = Date.now();
  const ticking = setInterval(() => {
    const elapsed = $(".elapsed", slot.root);
    if (elapsed && run === slot.run) elapsed.textContent = ` ${Math.round((Date.now() - started) / 1000)} s`;
  }, 1000);
  try {
    const photo = await scaled(file, Number($("#area").value));
    const reply = await send(photo.blob);
    if (run !== slot.run) return;
    if (reply.faces) show(slot, photo, reply, Date.now() - started);
    else fail(slot, reply);
  } finally {
    clearInterval(ticking);
    if (run === slot.run) slot.root.removeAttribute("aria-busy");
  }
}

// The photo upright and scaled to an area, as the app does; the file itself for area 0, or if the browser cannot
// decode it. `ratio` is the width of the original relative to that of the photo that is sent.
async function scaled(file, area) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return { blob: file, picture: null, ratio: 1 };
  }
  const { width, height } = bitmap;
  const scale = area ? Math.sqrt(area / (width * height)) : 1;
  const picture = new OffscreenCanvas(Math.max(Math.round(width * scale), 1), Math.max(Math.round(height * scale), 1));
  const context = picture.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, picture.width, picture.height);
  bitmap.close();
  const blob = area ? await picture.convertToBlob({ type: "image/jpeg", quality: JPEG_QUALITY }) : file;
  return { blob, picture, ratio: 1 / scale, small: Math.min(width, height) < photoSide };
}

async function send(blob) {
  const form = new FormData();
  form.append("file", blob, "photo"); // not the file's name
  try {
    const answer = await fetch("detect", { method: "POST", headers: { "x-api-key": bytes(key.value) }, body: form });
    const body = await answer.json().catch(() => ({}));
    if (answer.ok && body.faces) return { faces: body.faces, timing: answer.headers.get("server-timing") };
    return { status: answer.status, error: body.error };
  } catch {
    return { status: 0 };
  }
}

function fail(slot, { status, error }) {
  const [what, repair] = REPAIRS[status] ?? [`The service answered with status ${status}.`, "Its log says why."];
  const said = error ? [element("br", ""), element("small", `Status ${status}: ${error}`)] : [];
  message(slot, [element("b", what), ` ${repair}`, ...said], true);
  $(".again", slot.root).hidden = false;
  if (status === 401) key.setAttribute("aria-invalid", "true");
}

function fate(face, ratio) {
  const least = Math.round(Math.min(face.right - face.left, face.bottom - face.top) * ratio);
  const reasons = [];
  const shownConfidence = Math.floor(face.detection_confidence * 1000) / 1000; // 0.9899 must not be shown as 0.99
  if (face.detection_confidence < confidence) reasons.push(`confidence ${shownConfidence} is under ${confidence}`);
  if (least < side) reasons.push(`smaller than ${side} pixels in the original photo`);
  return { grouped: reasons.length === 0, text: reasons.length ? `kept, not grouped: ${reasons.join("; ")}` : "grouped" };
}

function show(slot, photo, { faces, timing }, elapsed) {
  key.removeAttribute("aria-invalid");
  slot.faces = faces.map((face, index) => ({ ...face, name: slot.letter + (index + 1), ...fate(face, photo.ratio) }));
  const found = faces.length === 1 ? "1 face" : `${faces.length} faces`;
  const notes = [
    photo.picture ? "" : " This browser cannot show the file; it was sent as it is.",
    photo.small ? ` Nextcloud would not send this photo: it skips photos under ${photoSide} pixels wide or high.` : "",
    faces.length ? "" : " A larger photo size finds smaller faces.",
  ];
  message(slot, [element("b", `${found} found.`), ...notes]);
  if (photo.picture) draw(slot, photo.picture, found);
  $(".faces", slot.root).replaceChildren(
    ...slot.faces.map((face) => {
      const measures = `confidence ${face.detection_confidence.toFixed(2)}, ${face.right - face.left} × ${face.bottom - face.top} pixels as sent`;
      const badge = element("b", face.name, { className: face.grouped ? "badge" : "badge kept" });
      return element("li", [badge, " ", element("span", [face.text, element("small", measures)])]);
    }),
  );
  $(".faces", slot.root).hidden = faces.length === 0;
  times(slot, timing, elapsed);
  $(".again", slot.root).hidden = false;
  compare();
}

function draw(slot, picture, found) {
  const canvas = $("canvas", slot.root);
  Object.assign(canvas, { width: picture.width, height: picture.height, hidden: false });
  canvas.setAttribute("aria-label", `Photo ${slot.letter} with a box around ${found}`);
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const unit = canvas.width / Math.max(canvas.clientWidth, 1); // photo pixels of a pixel on the screen
  context.font = `600 ${13 * unit}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  for (const face of slot.faces) {
    const box = [face.left, face.top, face.right - face.left, face.bottom - face.top];
    const colour = face.grouped ? "#3ddbd0" : "#ffb454";
    context.setLineDash(face.grouped ? [] : [7 * unit, 5 * unit]);
    for (const [style, width] of [["#0009", 5], [colour, 2.5]]) {
      Object.assign(context, { strokeStyle: style, lineWidth: width * unit });
      context.strokeRect(...box);
    }
    for (const { x, y } of face.landmarks) {
      for (const [style, radius] of [["#0009", 3], ["#fff", 2]]) {
        context.fillStyle = style;
        context.beginPath();
        context.arc(x, y, radius * unit, 0, 2 * Math.PI);
        context.fill();
      }
    }
    const [width, height] = [context.measureText(face.name).width + 10 * unit, 20 * unit];
    const top = face.top > height ? face.top - height : face.top;
    context.fillStyle = colour;
    context.fillRect(face.left - 1.25 * unit, top, width, height);
    context.fillStyle = "#08201f";
    context.fillText(face.name, face.left + 4 * unit, top + height / 2);
  }
}

function times(slot, header, elapsed) {
  const titles = new Map([["wait", "Waiting"], ["decode", "Decoding"]]); // in the order of the work on a photo
  for (const stage of all("[data-stage]")) titles.set(stage.dataset.stage, stage.textContent.split(":")[0]);
  const milliseconds = new Map(
    (header ?? "").split(",").map((entry) => {
      const [name, ...parameters] = entry.split(";").map((part) => part.trim());
      return [name, Number(parameters.find((parameter) => parameter.startsWith("dur="))?.slice(4))];
    }),
  );
  const known = [...titles].map(([name, title]) => [title, milliseconds.get(name)]).filter(([, time]) => time > 0);
  const most = Math.max(...known.map(([, time]) => time));
  const rows = known.map(([title, time]) => {
    const bar = element("i", "");
    bar.style.width = `${(100 * time) / most}%`;
    const number = element("td", `${time.toFixed(time < 10 ? 1 : 0)} ms`, { className: "number" });
    return element("tr", [element("th", title, { scope: "row" }), number, element("td", bar, { className: "bar" })]);
  });
  const whole = element("td", `${count(elapsed)} ms`, { className: "number" });
  rows.push(element("tr", [element("th", "In all, seen from here", { scope: "row" }), whole, element("td", "")]));
  $(".times tbody", slot.root).replaceChildren(...rows);
  $(".times", slot.root).hidden = false;
}

// Distance of two faces.

const faces = () => slots.flatMap((slot) => slot.faces);

function compare() {
  const names = faces().map((face) => face.name);
  $("#compare").hidden = names.length < 2;
  if (names.length < 2) return;
  const fallbacks = [names[0], names.find((name) => name[0] !== names[0][0]) ?? names[1]];
  [$("#first"), $("#second")].forEach((select, index) => {
    const kept = names.includes(select.value) ? select.value : fallbacks[index];
    select.replaceChildren(...names.map((name) => element("option", name)));
    select.value = kept;
  });
  if ($("#first").value === $("#second").value) $("#second").value = fallbacks.find((name) => name !== $("#first").value);
  showDistance();
}

function showDistance() {
  const [one, other] = ["#first", "#second"].map((id) => faces().find((face) => face.name === $(id).value));
  if (!one || !other) return;
  const apart = Math.hypot(...one.descriptor.map((value, index) => value - other.descriptor[index]));
  const kept = [one, other].filter((face) => !face.grouped).map((face) => face.name);
  const verdict =
    apart < distance
      ? `under ${distance}. Nextcloud takes them for the same person.`
      : `not under ${distance}. Nextcloud does not connect these two. Both can still come to the same person through faces between them.`;
  const exception = kept.length ? ` But ${kept.join(" and ")} ${kept.length > 1 ? "are" : "is"} not grouped, so Nextcloud does not compare.` : "";
  $("#distance").textContent = (Math.floor(apart * 1000) / 1000).toFixed(3);
  $("#meaning").textContent = verdict + exception;
  $("#reach").setAttribute("width", Math.min(100 * apart, 100));
  $("#compare").classList.toggle("same", apart < distance && kept.length === 0);
}

// Start.

for (const part of all(".script")) part.hidden = false;
localTimes(document);
library.addEventListener("input", showHours);
for (const select of all("#first, #second")) select.addEventListener("change", showDistance);

key.value = sessionStorage.getItem("key") ?? "";
remember();
key.addEventListener("input", remember);
key.addEventListener("change", () => slots.filter((slot) => slot.file && !slot.faces.length).forEach((slot) => take(slot, slot.file)));
$(".fields").addEventListener("submit", (event) => event.preventDefault());
$("#forget").addEventListener("click", () => {
  key.value = "";
  remember();
  key.focus();
});
$("#area").addEventListener("change", () => slots.forEach((slot) => take(slot, slot.file)));

for (const slot of slots) {
  const drop = $(".drop", slot.root);
  const input = $("input", drop);
  input.addEventListener("change", () => {
    take(slot, input.files[0]);
    input.value = ""; // so that the same file can be chosen again
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return; // the space bar works by itself
    event.preventDefault();
    input.click();
  });
  for (const name of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop") take(slot, event.dataTransfer.files[0]);
    });
  }
  $(".again", slot.root).addEventListener("click", () => take(slot, slot.file));
}
// A photo dropped beside the zones would replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());

setInterval(() => {
  if (Date.now() - lastEvent > SILENCE && !document.hidden) poll();
}, 2000);
document.addEventListener("visibilitychange", () => (document.hidden ? events.close() : connect()));
connect();
