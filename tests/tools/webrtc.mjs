// Pushes to a relay, and watches it, by WebRTC in Chromium; says what it saw as JSON.
//
//   NODE_MODULES=... node webrtc.mjs push http://127.0.0.1:8090/cam/whip h264|vp8 FILE.mjpeg
//   NODE_MODULES=... node webrtc.mjs watch http://127.0.0.1:8090/cam/whep PICTURES [CODEC]
//   NODE_MODULES=... node webrtc.mjs page http://127.0.0.1:8090/ NAME SHOT.png
//
// It pushes what is in FILE, again and again, until its input ends.
import { createRequire } from "node:module";

const { chromium } = createRequire(process.env.NODE_MODULES + "/")("playwright-core");
const [does, url, ...rest] = process.argv.slice(2);
const flags = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ...(does === "push" ? [`--use-file-for-fake-video-capture=${rest[1]}`] : []),
  "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required",
  // What stands for its own address otherwise has to be asked for in the network.
  "--disable-features=WebRtcHideLocalIpsWithMdns",
];

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: flags });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(does === "page" ? `${url}#${rest[0]}` : new URL("/healthz", url).href);
  let seen = does === "page" ? await press(page, rest[1]) : await page.evaluate({ push, watch }[does], { url, rest });
  if (does === "push" && seen.status === 201) {
    for await (const _ of process.stdin);
    seen = await page.evaluate(stop);
  }
  console.log(JSON.stringify({ ...seen, errors }));
} finally {
  await browser.close();
}

/** Watches on the page of the relay, by the button, and goes back. */
async function press(page, shot) {
  const card = page.locator(".card:not([hidden])");
  await card.locator(".webrtc").click();
  const video = card.locator("video");
  await video.waitFor({ state: "visible" });
  const [first, later] = await video.evaluate(async (video) => {
    const shown = () => new Promise((done) => video.requestVideoFrameCallback((_, { presentedFrames }) => done(presentedFrames)));
    const first = await shown();
    let later = first;
    while (later < first + 5) later = await shown();
    return [first, later];
  });
  const width = await video.evaluate(({ videoWidth }) => videoWidth);
  await card.locator(".badge.live").waitFor();
  const sound = await card.locator(".sound").isVisible();
  await page.screenshot({ path: shot });
  await card.locator(".webrtc").click();
  await card.locator("img").waitFor({ state: "visible" });
  return { moves: later > first, width, sound, video: await video.isVisible() };
}

/** Begins to send the picture and the sound of the pretended camera. */
async function push({ url, rest: [codec] }) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
  const pc = new RTCPeerConnection();
  for (const track of stream.getTracks()) {
    const transceiver = pc.addTransceiver(track, { direction: "sendonly", streams: [stream] });
    if (track.kind !== "video") continue;
    const all = RTCRtpSender.getCapabilities("video").codecs;
    const of = (name) => all.filter(({ mimeType }) => mimeType.toLowerCase() === `video/${name}`);
    transceiver.setCodecPreferences([...of(codec), ...of("rtx")]);
  }
  await pc.setLocalDescription();
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/sdp" }, body: pc.localDescription.sdp });
  const said = await answer.text();
  if (answer.status !== 201) return { status: answer.status, said };
  await pc.setRemoteDescription({ type: "answer", sdp: said });
  globalThis.pushing = { pc, location: new URL(answer.headers.get("location"), url).href };
  return { status: 201 };
}

/** Ends it in order. */
async function stop() {
  const { pc, location } = globalThis.pushing;
  const stats = [...(await pc.getStats()).values()];
  const sent = stats.find(({ type, kind }) => type === "outbound-rtp" && kind === "video");
  const patched = await fetch(location, { method: "PATCH" });
  const deleted = await fetch(location, { method: "DELETE" });
  pc.close();
  return {
    status: 201, frames: sent?.framesEncoded ?? 0,
    plis: sent?.pliCount ?? 0, patched: patched.status, deleted: deleted.status,
  };
}

/** Watches until so many pictures were shown, and gives them. */
async function watch({ url, rest: [count, codec] }) {
  const pc = new RTCPeerConnection();
  const transceiver = pc.addTransceiver("video", { direction: "recvonly" });
  pc.addTransceiver("audio", { direction: "recvonly" });
  if (codec) {
    const all = RTCRtpReceiver.getCapabilities("video").codecs;
    transceiver.setCodecPreferences(all.filter(({ mimeType }) => [`video/${codec}`, "video/rtx"].includes(mimeType.toLowerCase())));
  }
  const stream = new MediaStream();
  pc.addEventListener("track", ({ track }) => stream.addTrack(track));
  await pc.setLocalDescription();
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/sdp" }, body: pc.localDescription.sdp });
  const said = await answer.text();
  if (answer.status !== 201) return { status: answer.status, said };
  await pc.setRemoteDescription({ type: "answer", sdp: said });
  const video = document.createElement("video");
  Object.assign(video, { srcObject: stream, muted: true, autoplay: true });
  document.body.append(video);
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const pictures = [];
  const { promise: enough, resolve } = Promise.withResolvers();
  const look = () => {
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    context.drawImage(video, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    // Grey, a byte a pixel, as text.
    const grey = new Uint8Array(canvas.width * canvas.height);
    for (let at = 0; at < grey.length; at++) grey[at] = data[4 * at + 1];
    let text = "";
    for (let at = 0; at < grey.length; at += 8192) text += String.fromCharCode(...grey.subarray(at, at + 8192));
    pictures.push(btoa(text));
    if (pictures.length >= count) return resolve();
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  await Promise.race([enough, new Promise((late) => setTimeout(late, 40_000))]);
  const stats = [...(await pc.getStats()).values()];
  const of = (kind) => stats.find((stat) => stat.type === "inbound-rtp" && stat.kind === kind);
  const named = (stat) => stats.find(({ id }) => id === stat?.codecId)?.mimeType;
  const { width, height } = { width: video.videoWidth, height: video.videoHeight };
  const deleted = await fetch(new URL(answer.headers.get("location"), url).href, { method: "DELETE" });
  pc.close();
  return {
    status: 201, width, height, pictures, deleted: deleted.status,
    video: { codec: named(of("video")), frames: of("video")?.framesDecoded ?? 0, dropped: of("video")?.framesDropped ?? 0, lost: of("video")?.packetsLost ?? 0, delay: (of("video")?.jitterBufferDelay ?? 0) / (of("video")?.jitterBufferEmittedCount || 1) },
    audio: { codec: named(of("audio")), samples: of("audio")?.totalSamplesReceived ?? 0, energy: of("audio")?.totalAudioEnergy ?? 0, concealed: of("audio")?.concealedSamples ?? 0 },
  };
}
