// Watching a source by WebRTC (WHEP): an offer goes by HTTP, pictures and sound come by UDP.

const TIMEOUT_MS = 15000;

/** Shows the source called `key` in `video` until the function that this gives is called.
 * `failed` is told why it cannot be shown, or no longer. */
export function watch(key, video, failed) {
  const pc = new RTCPeerConnection();
  const stream = new MediaStream();
  let session = null;
  let over = false;

  function stop() {
    if (over) return;
    over = true;
    pc.close();
    video.srcObject = null;
    if (session) fetch(session, { method: "DELETE", keepalive: true }).catch(() => {});
  }

  function fail(why) {
    if (over) return;
    stop();
    failed(why);
  }

  async function start() {
    for (const kind of ["video", "audio"]) pc.addTransceiver(kind, { direction: "recvonly" });
    await pc.setLocalDescription();
    const answer = await fetch(`/${key}/whep`, {
      method: "POST",
      headers: { "content-type": "application/sdp" },
      body: pc.localDescription.sdp,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const said = await answer.text();
    if (answer.status !== 201) throw new Error(said.trim() || `status ${answer.status}`);
    session = answer.headers.get("location");
    if (over) return void fetch(session, { method: "DELETE" }).catch(() => {});
    await pc.setRemoteDescription({ type: "answer", sdp: said });
  }

  pc.addEventListener("track", ({ track }) => stream.addTrack(track));
  pc.addEventListener("connectionstatechange", () => {
    if (["failed", "disconnected", "closed"].includes(pc.connectionState)) {
      fail(session ? "no way to the relay by UDP" : "the connection ended");
    }
  });
  video.srcObject = stream;
  start().catch((error) => fail(error.name === "TimeoutError" ? "no answer" : error.message));
  return stop;
}
