// Opens a report in headless Chromium and uses it as a reader would: at desktop and phone width, light and dark, with the
// pointer and with the keyboard. The report has to show a comparison first.
//
//     npm install playwright-core@1.64.1
//     node crates/quarl-cli/tests/oracles/report_in_chromium.mjs REPORT [DIRECTORY FOR SCREENSHOTS]
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const { chromium } = createRequire(resolve('package.json'))('playwright-core');
const [report, screenshots] = process.argv.slice(2);
const url = 'file://' + resolve(report);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
const failures = [];
const check = (condition, what) => { if (!condition) failures.push(what); };

async function open(options) {
  const page = await browser.newPage(options);
  page.on('pageerror', (error) => failures.push(`error in the page: ${error}`));
  page.on('request', (request) => check(/^(file|data):/.test(request.url()), `network access: ${request.url()}`));
  await page.goto(url);
  return page;
}

/// The contrast of the text and of the muted text against the page, as WCAG defines it.
const contrasts = () => {
  const luminance = (color) => {
    const channels = color.match(/[\d.]+/g).slice(0, 3).map((x) => x / 255);
    const [r, g, b] = channels.map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = luminance(getComputedStyle(document.body).backgroundColor);
  const contrast = (color) => {
    const [low, high] = [luminance(color), paper].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const texts = [...document.querySelectorAll('p, td, th, dt, dd, h1, h2, h3, figcaption')];
  const drawn = [...document.querySelectorAll('.chart svg text')];
  return Math.min(...texts.map((text) => contrast(getComputedStyle(text).color)),
    ...drawn.map((text) => contrast(getComputedStyle(text).fill)));
};

for (const [name, width, height, colorScheme] of [
  ['desktop-light', 1280, 900, 'light'], ['desktop-dark', 1280, 900, 'dark'],
  ['phone-light', 390, 844, 'light'], ['phone-dark', 390, 844, 'dark'],
]) {
  const page = await open({ viewport: { width, height }, colorScheme });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  check(overflow <= 0, `${name}: the page is ${overflow} pixels wider than the screen`);
  const lowest = await page.evaluate(contrasts);
  check(lowest >= 4.5, `${name}: a text has a contrast of ${lowest.toFixed(2)}, below 4.5`);
  const images = await page.evaluate(() => Promise.all([...document.images].map((image) => image.decode().then(() => true, () => false))));
  check(images.length > 0 && images.every(Boolean), `${name}: a recording cannot be shown`);
  if (screenshots) await page.screenshot({ path: `${screenshots}/${name}.png`, fullPage: true });
  await page.close();
}

const page = await open({ viewport: { width: 1280, height: 900 } });
const tooltip = page.locator('#tooltip');
const charts = page.locator('figure.chart');
let shown = 0;
for (let i = 0; i < await charts.count(); i++) {
  const svg = charts.nth(i).locator('svg');
  await svg.scrollIntoViewIfNeeded();
  const box = await svg.boundingBox();
  const [frame, width] = await charts.nth(i).locator('script').evaluate((data) => {
    const { panels, width } = JSON.parse(data.textContent);
    return [panels[0].frame, width];
  });
  const scale = box.width / width;
  // Scrolling to the plot's middle, because a figure may be higher than the screen.
  await page.mouse.move(box.x + (frame[0] + frame[2]) / 2 * scale, Math.min(box.y + (frame[1] + 8) * scale, 890));
  if (await tooltip.isVisible() && /\d/.test(await tooltip.innerText())) shown += 1;
  await page.mouse.move(1, 1);
  check(await tooltip.isHidden(), 'the values stay when the pointer leaves');
}
check(shown === await charts.count(), `values under the pointer in ${shown} of ${await charts.count()} figures`);

await charts.first().focus();
const read = new Set();
for (let i = 0; i < 3; i++) {
  await page.keyboard.press('ArrowRight');
  read.add(await tooltip.innerText());
}
check(read.size > 1, 'the arrow keys do not read the values');
await page.keyboard.press('Escape');
check(await tooltip.isHidden(), 'Escape does not hide the values');

// Everything that can be used is reached with the Tab key, in the order of the page.
const reachable = await page.evaluate(() => [...document.querySelectorAll('a, button, summary, figure.chart, .scroll')]
  .filter((element) => !element.closest('details:not([open])') || element.matches('summary')).length);
await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
const seen = new Set();
for (let i = 0; i < reachable + 5; i++) {
  await page.keyboard.press('Tab');
  const index = await page.evaluate(() => document.activeElement === document.body ? null
    : [...document.querySelectorAll('*')].indexOf(document.activeElement));
  if (index !== null) seen.add(index);
}
check(seen.size >= reachable, `the Tab key reaches ${seen.size} of ${reachable} elements`);

const table = page.locator('table.sortable').first();
const head = table.locator('th.number').nth(1);
const column = async () => (await table.locator('tbody tr').evaluateAll((rows, n) => rows.map((row) => row.cells[n].dataset.value),
  await head.evaluate((cell) => cell.cellIndex))).filter((value) => value !== undefined).map(Number);
for (const [order, sign] of [['descending', -1], ['ascending', 1]]) {
  await head.locator('button').focus();
  await page.keyboard.press('Enter');
  const values = await column();
  check(await head.getAttribute('aria-sort') === order, `the column is not marked as ${order}`);
  check(values.length > 1 && values.every((value, i) => i === 0 || sign * (value - values[i - 1]) >= 0), `the rows are not ${order}`);
}
await browser.close();
if (failures.length) {
  console.error(failures.join('\n'));
  process.exit(1);
}
console.log(`the report works in Chromium: ${shown} figures, light and dark, desktop and phone, pointer and keyboard`);
