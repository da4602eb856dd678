// The page of live pictures.
//
// A browser opens at most six connections to one server. So a few sources are shown as
// endless MJPEG streams, and many are fetched one picture after the other over a few
// connections. Pictures are asked for only where somebody can see them: the relay closes
// cameras that nobody watches, and this page must not keep them open.

import { watch } from "./webrtc.js";

const MOST_STREAMS = 4;
const MOST_REQUESTS = 3;
const STATUS_EVERY_MS = 1000;
const TIMEOUT_MS = 8000;
const PICTURE_EVERY_MS = 200;
/** A source without pictures has only its placeholder to show, which changes slowly. */
const PLACEHOLDER_EVERY_MS = 1000;
/** The pause before the next attempt, from one second to ten. */
const delayAfter = (failures) => Math.min(500 * 2 ** failures, 10000);
const FILTER_FROM = 9;
/** Widest picture that is worth its bytes in a card, by how it is fetched. */
const WIDTH = { stream: 640, picture: 480 };
const STREAM_FPS = 12;
/** In place of the address of a stream. */
const WEBRTC = "webrtc";

const parts = ["back", "count", "empty", "filter", "grid", "nothing", "said", "foot", "input", "template"];
const page = Object.fromEntries(parts.map((name) => [name, document.querySelector(`.${name}`)]));

/** The cards by name, as it stands in an address. */
const cards = new Map();
/** The relay's newest answer, and whether it answers at all. */
let snapshot = null;
let offline = false;
let askingStatus = false;
let statusTimer = 0;
let mostStreams = MOST_STREAMS;
let requests = 0;
let pumpTimer = 0;

/** The name after the `#`, empty while all sources are shown. */
function alone() {
  return location.hash.slice(1);
}

function isShown(card) {
  if (alone()) return card.key === alone();
  const wanted = page.filter.hidden ? "" : page.input.value.trim().toLowerCase();
  return `${card.source.name} ${card.source.shown}`.toLowerCase().includes(wanted);
}

/** Shows the cards that are wanted, and starts and stops their pictures. */
function arrange() {
  if (!snapshot) return;
  const [name, all] = [alone(), [...cards.values()]];
  page.filter.hidden = Boolean(name) || all.length < FILTER_FROM;
  const shown = all.filter(isShown);
  for (const card of all) card.element.hidden = !shown.includes(card);
  document.body.classList.toggle("alone", Boolean(name));
  document.title = name ? `${name} – Headwater` : "Headwater";
  page.back.hidden = !name;
  page.grid.className = `grid ${shown.length === 1 ? "one" : ""} ${shown.length <= MOST_STREAMS ? "few" : ""}`;
  page.empty.hidden = all.length > 0;
  page.nothing.hidden = all.length === 0 || shown.length > 0;
  page.nothing.textContent = name ? `No source is called ${name}.` : "No source matches the filter.";
  for (const card of all) direct(card, shown);
  if (name && cards.has(name)) explain(cards.get(name));
  pump();
}

/** Decides how the pictures of a card are fetched now. */
function direct(card, shown) {
  const visible = !document.hidden && card.inView && shown.includes(card);
  if (!visible) return stop(card);
  if (!card.source.by_name) return directFeed(card, shown);
  if (alone() && card.byWebRtc) return watchByWebRtc(card);
  if (alone()) return stream(card, `/${card.key}.mjpeg?placeholder=1`);
  // The size decides what to ask a stream for. Until it is known, single pictures do.
  if (shown.length <= mostStreams && card.width > 0) return stream(card, `/${card.key}.mjpeg?${streamQuery(card)}`);
  const limit = shown.length <= mostStreams ? WIDTH.stream : WIDTH.picture;
  const width = card.width > 0 && card.width <= limit ? "" : `width=${limit}&`;
  // A camera that is slow to open must not hold one of the few requests.
  poll(card, `/${card.key}.jpg?${width}placeholder=1&timeout=500ms`);
}

/** A feed of a configuration is seen only where one of its streams is, and as that one comes. */
function directFeed(card, shown) {
  const { mjpeg, jpeg, state } = card.source;
  // A stream of a feed that nobody sends to begins when somebody does, and holds a connection till then.
  if (state === "unfed") return stop(card);
  if (mjpeg && (alone() || shown.length <= mostStreams)) return stream(card, escaped(mjpeg));
  if (jpeg) return poll(card, escaped(jpeg));
  stop(card);
}

/** A path of the status as it stands in an address. */
const escaped = (path) => path.split("/").map(encodeURIComponent).join("/");

function streamQuery(card) {
  if (card.width > WIDTH.stream) return `width=${WIDTH.stream}&fps=${STREAM_FPS}&placeholder=1`;
  // The pictures of a small MJPEG camera pass through the relay as they are.
  return card.codec === "mjpeg" ? "placeholder=1" : `fps=${STREAM_FPS}&placeholder=1`;
}

function stream(card, address) {
  if (card.stream === address) return;
  stop(card);
  card.stream = address;
  startStream(card);
}

/** Under an address of its own each time: browsers take a stream that ended for the whole
 * picture and show it again, and let a second window wait for the end of the first one's. */
function startStream(card) {
  card.image.src = `${card.stream}${card.stream.includes("?") ? "&" : "?"}_=${Date.now()}`;
  // Streams of feeds have no placeholder, so that their silence says nothing about connections.
  if (card.source.by_name) card.retry = setTimeout(saveConnections, TIMEOUT_MS);
}

/** Other windows on this relay may hold all connections with their streams; single
 * pictures need fewer. */
function saveConnections() {
  mostStreams = 0;
  arrange();
}

/** Ends what is under way for a card; the last single picture stays to be seen. */
function stop(card) {
  clearTimeout(card.retry);
  card.request?.abort();
  if (card.stream && card.stream !== WEBRTC) card.image.removeAttribute("src");
  card.endWebRtc?.();
  card.endWebRtc = card.stream = card.picture = null;
  [card.image.hidden, card.video.hidden] = [false, true];
  offerSound(card);
}

// WebRTC, which is for one source at a time.

function watchByWebRtc(card) {
  if (card.stream === WEBRTC) return;
  stop(card);
  card.stream = WEBRTC;
  [card.image.hidden, card.video.hidden] = [true, false];
  offerSound(card);
  card.endWebRtc = watch(card.key, card.video, (why) => {
    say(page.said, `WebRTC: ${why}`);
    card.part("webrtc").title = `Not by WebRTC: ${why}`;
    chooseWebRtc(card, false);
  });
}

/** Goes over to WebRTC, or back. */
function chooseWebRtc(card, wanted) {
  card.byWebRtc = wanted;
  card.part("webrtc").ariaPressed = String(wanted);
  if (wanted && alone() !== card.key) location.hash = card.key;
  arrange();
}

/** Only WebRTC brings sound, and only of a source that has some. */
function offerSound(card) {
  card.part("sound").hidden = card.stream !== WEBRTC || card.sound === null;
}

function switchSound(card) {
  card.video.muted = !card.video.muted;
  say(card.part("sound"), card.video.muted ? "Sound on" : "Sound off");
}

function streamFailed(card) {
  if (!card.stream || card.stream === WEBRTC) return;
  clearTimeout(card.retry);
  card.retry = setTimeout(startStream, delayAfter(++card.failures), card);
}

// Single pictures.

function poll(card, address) {
  if (card.stream) stop(card);
  if (card.picture !== address) card.tag = null;
  card.picture = address;
}

/** Starts the requests that are due, the longest overdue first, then waits for the next. */
function pump() {
  clearTimeout(pumpTimer);
  const now = performance.now();
  const turns = [...cards.values()].filter((card) => card.picture && !card.request).sort((a, b) => a.due - b.due);
  while (requests < MOST_REQUESTS && turns.length > 0 && turns[0].due <= now) fetchPicture(turns.shift());
  if (requests < MOST_REQUESTS && turns.length > 0) pumpTimer = setTimeout(pump, turns[0].due - now);
}

async function fetchPicture(card) {
  const began = performance.now();
  const request = new AbortController();
  const timeout = setTimeout(() => request.abort(), TIMEOUT_MS);
  card.request = request;
  requests++;
  try {
    // With a tag of its own the request goes past the browser's cache, which pictures
    // would only fill, and an unchanged picture costs no more than its headers.
    const headers = card.tag ? { "If-None-Match": card.tag } : {};
    const answer = await fetch(card.picture, { signal: request.signal, cache: "no-store", headers });
    if (answer.status !== 304) {
      if (!answer.ok) throw new Error(`${answer.status} for ${card.picture}`);
      showPicture(card, await answer.blob());
      card.tag = answer.headers.get("etag");
    }
    card.failures = 0;
    card.due = began + (card.source.state === "live" ? PICTURE_EVERY_MS : PLACEHOLDER_EVERY_MS);
  } catch {
    // A request that the page itself gave up is no failure of the source.
    card.due = performance.now() + (card.picture ? delayAfter(++card.failures) : 0);
  }
  clearTimeout(timeout);
  card.request = null;
  requests--;
  pump();
}

function showPicture(card, blob) {
  if (card.url) URL.revokeObjectURL(card.url);
  card.url = URL.createObjectURL(blob);
  card.image.src = card.url;
}

// Cards.

// A little beyond the edges, so that who scrolls meets pictures that move already.
const inView = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const card = cards.get(entry.target.dataset.key);
    if (card) card.inView = entry.isIntersecting;
  }
  arrange();
}, { rootMargin: "25% 0px" });

function makeCard(key, source) {
  const element = page.template.content.firstElementChild.cloneNode(true);
  const part = (name) => element.querySelector(`.${name}`);
  const card = {
    key, source, element, part, image: element.querySelector("img"), width: 0, codec: null, sound: null, inView: false,
    video: element.querySelector("video"), byWebRtc: false, endWebRtc: null, stream: null, picture: null, request: null, tag: null, url: null, due: 0, failures: 0, retry: 0, told: null,
  };
  element.dataset.key = key;
  part("name").textContent = part("name").title = source.name;
  part("screen").href = part("full").href = `#${key}`;
  part("screen").ariaLabel = `Live picture of ${source.name}`;
  part("full").ariaLabel = `Full view of ${source.name}`;
  part("fill").hidden = !document.fullscreenEnabled;
  part("fill").addEventListener("click", () => fillScreen(card));
  part("why").addEventListener("toggle", () => { card.told = null; explain(card); });
  part("webrtc").addEventListener("click", () => chooseWebRtc(card, !card.byWebRtc));
  part("sound").addEventListener("click", () => switchSound(card));
  part("copy").addEventListener("click", () => copyAddress(card));
  card.image.addEventListener("load", () => { clearTimeout(card.retry); card.failures = 0; });
  card.image.addEventListener("error", () => streamFailed(card));
  cards.set(key, card);
  page.grid.append(element);
  inView.observe(element);
  return card;
}

function removeCard(card) {
  stop(card);
  inView.unobserve(card.element);
  card.element.remove();
  if (card.url) URL.revokeObjectURL(card.url);
  cards.delete(card.key);
}

/** Sets a text if it is another one, so that a selection in it lives on. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function updateCard(card, source) {
  card.source = source;
  // What is known of a source that went away stays, so that its stream need not change.
  card.width = source.width || card.width;
  card.codec = source.codec ?? card.codec;
  if (source.state === "live") card.sound = source.audio_codec;
  offerSound(card);
  card.part("badge").className = `badge ${source.shown}`;
  card.part("note").title = source.error ?? unrecorded(source);
  for (const name of ["mjpeg", "jpeg"]) {
    card.part(name).hidden = !source[name];
    if (source[name]) card.part(name).href = escaped(source[name]);
  }
  card.part("copy").hidden = !source.mjpeg;
  card.part("webrtc").hidden = !source.by_name;
  // What says why there is no picture would be in small letters in a small one.
  const unseen = source.mjpeg || source.jpeg ? "" : "No stream of format mpjpeg or jpeg shows this feed";
  const absent = source.state === "live" ? unseen : source.error ?? unseen;
  card.part("absent").hidden = absent === "";
  card.part("absent").title = absent;
  say(card.part("absent").firstElementChild, absent);
  for (const [name, text] of Object.entries(texts(source))) say(card.part(name), text);
  explain(card);
}

/** Whether a source is in trouble that its steps explain. */
const hasFailed = (source) => source.error !== null && ["idle", "waiting", "ended"].includes(source.state);

/** Shows what the last attempt to open a source did, while somebody wants to know. */
async function explain(card) {
  const { source, part } = card;
  const why = part("why");
  // It stays through the next attempts, so that it can be read.
  if (source.state === "live" || source.error === null || !source.by_name) why.hidden = true;
  else if (hasFailed(source)) why.hidden = false;
  say(part("full"), why.hidden ? "Full view" : "Why?");
  part("full").title = why.hidden ? "" : "What was tried, step by step";
  if (alone() !== card.key) return;
  const told = `${source.error} ${source.failures}`;
  if (why.hidden || !why.open || !hasFailed(source) || card.told === told) return;
  card.told = told;
  try {
    const answer = await fetch(`/doctor/${card.key}`, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const report = await answer.json();
    // It is being tried again meanwhile: the next failure tells.
    if (report.verdicts.length === 0) { card.told = null; return; }
    part("steps").replaceChildren(...report.steps.map(stepLine));
    say(part("advice"), report.verdicts[0].advice);
  } catch {
    card.told = null;
  }
}

function stepLine(step) {
  const line = document.createElement("li");
  line.className = step.outcome.replace(" ", "-");
  const took = step.took_ms === null ? "" : ` (${Math.round(step.took_ms)} ms)`;
  for (const [name, text] of [["step", step.name], ["what", step.what + took]]) {
    const place = document.createElement("span");
    place.className = name;
    place.textContent = text;
    line.append(place);
  }
  return line;
}

/** That its recording fails, and why, if it does. */
const unrecorded = (source) => source.health.trouble.filter((trouble) => trouble.startsWith("not recorded")).join("; ");

/** What there is to read on a card, by the class of its place. */
function texts(source) {
  const live = source.state === "live";
  const picture = [source.codec, source.width > 0 && `${source.width}×${source.height}`].filter(Boolean).join(" · ");
  // Pages that fetch single pictures have no connection to count; they are "snapshots".
  const looking = source.viewers || source.snapshots;
  const viewers = looking === 1 ? "1 viewer" : `${looking || "no"} viewers`;
  const since = duration(snapshot.time - source.since);
  const spell = { live: `live for ${since}`, idle: `idle for ${since}`, ended: source.error === null && `ended ${since} ago` };
  const retry = source.retry_in_s !== null && `retry in ${Math.ceil(source.retry_in_s)} s`;
  const state = [spell[source.state] || `no picture for ${since}`, viewers, retry].filter(Boolean).join(" · ");
  return {
    badge: source.shown,
    facts: live ? `${picture} · ${source.fps.toFixed(1)} fps` : spell[source.state] || `no picture for ${since}`,
    note: [unrecorded(source), ...(live ? [state] : [source.phase, viewers, retry])].filter(Boolean).join(" · "),
    url: source.url,
    form: [...new Set([picture, source.audio_codec !== source.codec && source.audio_codec, source.container, source.protocol])].filter(Boolean).join(" · ") || "not known yet",
    received: `${size(source.bytes)}, ${source.pictures} pictures, ${source.corrupt} of them damaged`,
    returns: source.reconnects === 1 ? "once" : `${source.reconnects} times`,
  };
}

function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  const [minutes, hours, days] = [Math.floor(s / 60), Math.floor(s / 3600), Math.floor(s / 86400)];
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min` : `${s} s`;
}

function size(bytes) {
  const [unit, by] = bytes < 1e7 ? ["kB", 1e3] : bytes < 1e10 ? ["MB", 1e6] : ["GB", 1e9];
  return `${(bytes / by).toFixed(unit === "GB" ? 1 : 0)} ${unit}`;
}

// The relay's status.

async function askStatus() {
  clearTimeout(statusTimer);
  if (document.hidden || askingStatus) return;
  askingStatus = true;
  try {
    const answer = await fetch("/status.json", { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    take(await answer.json());
  } catch (error) {
    if (error.name === "TimeoutError") saveConnections();
    offline = true;
    document.body.classList.add("offline");
    say(page.count, "The relay does not answer");
  }
  askingStatus = false;
  statusTimer = setTimeout(askStatus, STATUS_EVERY_MS);
}

function take(answer) {
  const isBack = offline || (snapshot && answer.uptime_s < snapshot.uptime_s);
  offline = false;
  snapshot = answer;
  const sources = new Map(answer.sources.map((source) => [encodeURIComponent(source.name), source]));
  for (const card of [...cards.values()]) {
    if (!sources.has(card.key)) removeCard(card);
    // Streams that ended with the relay look like still pictures; nothing tells the page.
    else if (isBack && card.stream) stop(card);
  }
  for (const [key, source] of sources) updateCard(cards.get(key) ?? makeCard(key, source), source);
  document.body.classList.remove("offline");
  say(page.count, sum(answer.sources));
  say(page.foot, `Headwater ${answer.version}, up ${duration(answer.uptime_s)}`);
  page.foot.hidden = false;
  arrange();
}

/** How many sources are well, and how many need somebody, as `2 live, 4 idle, 1 in trouble`. */
function sum(sources) {
  const word = (source) => (source.health.trouble.length > 0 ? "in trouble" : source.state);
  const counts = new Map([["live", 0], ["idle", 0]]);
  for (const source of sources) counts.set(word(source), (counts.get(word(source)) ?? 0) + 1);
  const trouble = counts.get("in trouble");
  counts.delete("in trouble");
  if (trouble) counts.set("in trouble", trouble);
  return [...counts].filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`).join(", ");
}

// What the user does.

function leave() {
  const card = cards.get(alone());
  history.pushState(null, "", location.pathname);
  arrange();
  card?.element.scrollIntoView({ block: "nearest" });
  card?.part("screen").focus({ preventScroll: true });
}

function fillScreen(card) {
  if (document.fullscreenElement) document.exitFullscreen();
  else card?.part("screen").requestFullscreen?.().catch(() => {});
}

async function copyAddress(card) {
  const address = new URL(escaped(card.source.mjpeg), location.href).href;
  const done = await navigator.clipboard?.writeText(address).then(() => true, () => false) || copyBySelection(address, card);
  say(card.part("copy"), done ? "Copied" : "Not copied");
  say(page.said, done ? `Copied ${address}` : `Cannot copy; the address is ${address}`);
  setTimeout(() => say(card.part("copy"), "Copy URL"), 2000);
}

/** For pages without TLS, which have no clipboard to write to. */
function copyBySelection(text, card) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  card.element.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  card.part("copy").focus();
  return done;
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target === page.input || !alone()) return;
  if (event.key === "Escape" && !document.fullscreenElement) leave();
  if (event.key === "f") fillScreen(cards.get(alone()));
}

page.back.addEventListener("click", leave);
page.input.addEventListener("input", arrange);
addEventListener("popstate", arrange);
addEventListener("hashchange", () => alone() && scrollTo(0, 0));
addEventListener("keydown", pressed);
document.addEventListener("visibilitychange", () => { arrange(); askStatus(); });
askStatus();
