// Brings the tables of /status up to date in place, so that scrolling stays where it is.

const INTERVAL_MS = 2000;
/** A page of thousands takes a while to take in: it is not to do nothing else. */
const SHARE = 8;

async function update() {
  const began = performance.now();
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      replaceBodies(fresh);
    } catch {
      // The relay is away; the next round may find it again.
    }
  }
  setTimeout(update, Math.max(INTERVAL_MS, SHARE * (performance.now() - began)));
}

function replaceBodies(fresh) {
  for (const part of ["tbody", "footer", ".count"]) {
    const now = document.querySelectorAll(part);
    fresh.querySelectorAll(part).forEach((body, place) => now[place] && replace(now[place], body));
  }
}

/** Whoever reads with the keyboard stays where he is, and what is being copied stays marked. */
function replace(now, body) {
  const selection = getSelection();
  if (!selection.isCollapsed && selection.containsNode(now, true)) return;
  const held = now.contains(document.activeElement) && document.activeElement.getAttribute("href");
  now.replaceWith(body);
  if (held) [...body.querySelectorAll("a")].find((link) => link.getAttribute("href") === held)?.focus({ preventScroll: true });
}

setTimeout(update, INTERVAL_MS);
