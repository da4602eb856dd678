// Opens a relay's page in Chromium and says, as JSON, what each card shows and where its links lead, and which
// requests of the page were refused.
//
//   NODE_MODULES=... node feeds.mjs http://127.0.0.1:8090/ shot.png CARDS_WITH_PICTURES
import { createRequire } from "node:module";

const { chromium } = createRequire(process.env.NODE_MODULES + "/")("playwright-core");
const [url, shot, wanted] = process.argv.slice(2);
const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: flags });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const [errors, refused] = [[], []];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("response", (answer) => answer.status() >= 400 && refused.push(`${answer.status()} ${answer.url()}`));
  await page.goto(url, { waitUntil: "domcontentloaded" });
  const isShown = (count) =>
    [...document.querySelectorAll(".card img")].filter((img) => img.naturalWidth > 0).length >= count;
  await page.waitForFunction(isShown, Number(wanted));
  const cards = await page.evaluate(() => Object.fromEntries([...document.querySelectorAll(".card")].map((card) => {
    const [img, absent] = [card.querySelector("img"), card.querySelector(".absent")];
    const links = [...card.querySelectorAll(".mjpeg, .jpeg")].filter((link) => !link.hidden);
    return [card.querySelector(".name").textContent, {
      pixels: img.naturalWidth,
      broken: img.hasAttribute("src") && img.complete && img.naturalWidth === 0,
      absent: absent.hidden ? null : absent.textContent,
      links: links.map((link) => link.getAttribute("href")),
      webrtc: !card.querySelector(".webrtc").hidden,
    }];
  })));
  await page.screenshot({ path: shot });
  // One alone moves, too.
  await page.goto(`${url}#f.ffm`);
  await page.waitForFunction(() => document.querySelector(".card:not([hidden]) img").naturalWidth > 0);
  const alone = await page.locator(".card:not([hidden]) img").getAttribute("src");
  await page.screenshot({ path: shot.replace(".png", "-alone.png") });
  console.log(JSON.stringify({ cards, alone: new URL(alone, url).pathname, refused, errors }));
} finally {
  await browser.close();
}
