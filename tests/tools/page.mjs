// Opens a relay's page in Chromium and says, as JSON, which of its pictures move.
//
//   NODE_MODULES=... node page.mjs http://127.0.0.1:8090/ shot.png desktop|phone
import { createRequire } from "node:module";

const { chromium } = createRequire(process.env.NODE_MODULES + "/")("playwright-core");
const [url, shot, device] = process.argv.slice(2);
const flags = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 3, isMobile: true, hasTouch: true };
const desktop = { viewport: { width: 1280, height: 800 } };

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: flags });
try {
  const page = await browser.newPage(device === "phone" ? phone : desktop);
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(url, { waitUntil: "domcontentloaded" });

  // What a picture shows now, as a sum of its pixels in a small canvas.
  const look = () => page.evaluate(() => {
    const seen = {};
    for (const img of document.querySelectorAll("main img")) {
      const src = img.currentSrc || img.src;
      if (!img.naturalWidth || !img.offsetWidth) continue;
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [64, 48];
      const context = canvas.getContext("2d");
      context.drawImage(img, 0, 0, 64, 48);
      const pixels = context.getImageData(0, 0, 64, 48).data;
      const stream = new URL(src).pathname.match(/^\/([\w-]+)\.(mjpeg|jpg)$/);
      if (stream) seen[stream[1]] = Array.from(pixels);
    }
    return seen;
  });
  const moving = new Set();
  let before = {};
  for (let turn = 0; turn < 100 && moving.size < 2; turn++) {
    const now = await look();
    for (const [name, pixels] of Object.entries(now)) {
      if (before[name] && pixels.some((value, at) => Math.abs(value - before[name][at]) > 24)) moving.add(name);
    }
    before = { ...before, ...now };
    await page.waitForTimeout(150);
  }
  await page.screenshot({ path: shot });
  const { text, overflow, spilt } = await page.evaluate(() => ({
    text: document.body.innerText,
    // Reasons that are higher than the place of the picture.
    spilt: [...document.querySelectorAll(".absent:not([hidden])")]
      .filter((place) => place.firstElementChild.offsetHeight > place.clientHeight).length,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  }));
  // What was tried to open one that fails.
  let tried = "";
  const failed = page.locator(".card:has(.badge.waiting) .full").first();
  if (await failed.count()) {
    await page.goto(`${url}${await failed.getAttribute("href")}`);
    await page.waitForSelector(".why:not([hidden]) li");
    tried = await page.locator(".why:not([hidden])").innerText();
    await page.screenshot({ path: shot.replace(".png", "-tried.png"), fullPage: true });
  }
  // Whoever goes through the rows with the keyboard is not thrown out when they are brought up to date.
  await page.goto(`${url}health`);
  await page.locator("tbody a").first().focus();
  const stale = await page.locator("tbody").elementHandle();
  await page.waitForFunction((body) => !body.isConnected, stale);
  const held = await page.evaluate(() => document.activeElement.matches("tbody a"));
  console.log(JSON.stringify({ held, moving: [...moving].sort(), text, tried, overflow, spilt, errors }));
} finally {
  await browser.close();
}
