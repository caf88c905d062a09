// Looks at reports as a reader would, and says what is wrong with them: one line each, and exit status 1.
//
//   node check.mjs CHROMIUM NODE_MODULES ORDINARY HOSTILE LARGE SCREENSHOT
//
// ORDINARY, HOSTILE and LARGE are folders with an index.html; SCREENSHOT is a file to write.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [chromium, modules, ordinary, hostile, large, screenshot] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${modules}/`));
const playwright = require("playwright-core");
const axe = require.resolve("axe-core/axe.min.js");

const wrong = [];
const check = (holds, words) => holds || wrong.push(words);
const same = (got, want, words) =>
  check(JSON.stringify(got) === JSON.stringify(want), `${words}: ${JSON.stringify(got)}, not ${JSON.stringify(want)}`);

// Whatever goes wrong on the way, what was found until then is said.
const finish = () => {
  for (const words of wrong) console.error(words);
  process.exit(wrong.length === 0 ? 0 : 1);
};
process.on("uncaughtException", (error) => {
  wrong.push(String(error.stack ?? error));
  finish();
});

const browser = await playwright.chromium.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });
const phone = { width: 390, height: 844 };

// A page that must be silent: no word on the console, no error, no dialog, no request but for its own file.
const open = async (folder, options = {}, file = "index.html") => {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const name = `${folder.split("/").pop()}/${file} ${options.colorScheme ?? ""} ${options.viewport?.width ?? ""}`;
  page.setDefaultTimeout(20_000);
  page.on("console", (message) => wrong.push(`${name}: console: ${message.text()}`));
  page.on("pageerror", (error) => wrong.push(`${name}: error: ${error}`));
  page.on("dialog", (dialog) => { wrong.push(`${name}: dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => request.url().startsWith("file:") || wrong.push(`${name}: asks for ${request.url()}`));
  await page.goto(pathToFileURL(`${folder}/${file}`).href);
  return { page, name, close: () => context.close() };
};

const accessible = async (folder, options, file) => {
  // The page's own policy forbids any script but its own, the one that looks as well.
  const { page, name, close } = await open(folder, { ...options, bypassCSP: true }, file);
  await page.addScriptTag({ path: axe });
  await page.evaluate(() => document.querySelectorAll("details").forEach((story) => { story.open = true; }));
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  for (const { id, nodes } of violations) wrong.push(`${name}: axe: ${id}: ${nodes[0].html.slice(0, 160)}`);
  await close();
};

for (const folder of [ordinary, hostile]) {
  await accessible(folder, { colorScheme: "light" });
  await accessible(folder, { colorScheme: "dark" });
  await accessible(folder, { viewport: phone });
  for (const viewport of [phone, { width: 1280, height: 900 }]) {
    const { page, name, close } = await open(folder, { viewport });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    check(width <= viewport.width, `${name}: is ${width} wide`);
    await close();
  }
}

{ // Sorting, filtering, following links, copying.
  const { page, close } = await open(ordinary, { viewport: { width: 1280, height: 900 } });
  const table = page.locator("#windows .sortable table").first();
  const column = (n) => table.locator(`tbody tr:not([hidden]) > :nth-child(${n})`).allTextContents();
  const numbers = await column(1);
  same(numbers.slice(0, 3), ["#1", "#2", "#3"], "the order to begin with");
  const duration = table.locator("thead th", { hasText: "Duration" });
  const seconds = () => table.locator("tbody tr > :nth-child(7) data").evaluateAll((all) => all.map((one) => Number(one.value)));
  await duration.getByRole("button").click();
  same(await duration.getAttribute("aria-sort"), "ascending", "after one click");
  const up = await seconds();
  same(up, [...up].sort((a, b) => a - b), "durations ascend");
  await duration.getByRole("button").press("Enter");
  same(await duration.getAttribute("aria-sort"), "descending", "after a key");
  same(await seconds(), up.toReversed(), "durations descend");

  const filter = page.locator("#windows .tools input");
  await filter.fill("felix.moreau");
  same((await column(2)).map((name) => name.trim()), ["felix.moreau", "felix.moreau"], "filtered by a name");
  same(await page.locator("#windows .window:visible").count(), 2, "stories filtered with their rows");
  same(await page.locator("#windows .tools output").first().textContent(), `2 of ${numbers.length}`, "the count");
  await filter.fill("");
  await page.locator("#windows .tools").getByRole("button", { name: "workaround" }).click();
  same((await column(2)).map((name) => name.trim()), ["pavel.novak"], "filtered by a class");
  await page.locator("#windows .tools").getByRole("button", { name: "workaround" }).click();
  same((await column(1)).length, numbers.length, "all again");

  await page.locator('#open-windows a[href="#window-13"]').click();
  check(await page.locator("#window-13").evaluate((story) => story.open), "a link opens its story");
  check(await page.locator("#window-13 .copy").count() > 1, "ids can be copied");
  await page.locator("#window-13 summary").press("Enter");
  check(!await page.locator("#window-13").evaluate((story) => story.open), "a key closes it");
  await page.evaluate(() => scrollTo(0, 0));
  await page.keyboard.press("Home");
  await close();

  const fresh = await open(ordinary, { viewport: { width: 1180, height: 1560 } });
  await fresh.page.keyboard.press("Tab");
  same(await fresh.page.evaluate(() => document.activeElement.className), "skip", "the first stop of the keyboard");
  await fresh.page.evaluate(() => document.activeElement.blur());
  await fresh.page.screenshot({ path: screenshot });
  await fresh.close();
}

{ // Whole without script.
  const { page, close } = await open(ordinary, { javaScriptEnabled: false });
  same(await page.locator("#windows .sortable tbody tr:visible").count(), 22, "windows without script");
  await page.locator("#window-7 summary").click();
  check(await page.locator("#window-7 dl").isVisible(), "stories open without script");
  same(await page.locator(".tools, .copy, thead button").count(), 0, "nothing that would not work");
  await close();
}

{ // Names that are markup, formulas or invisible are text.
  const { page, close } = await open(hostile);
  same(await page.evaluate(() => globalThis.pwned ?? null), null, "somebody else's script has run");
  same(await page.locator("script").count(), 1, "scripts");
  same(await page.locator("b, img, iframe, object, embed, form, marquee").count(), 0, "elements of somebody else");
  const text = await page.locator("#windows").innerText();
  check(text.includes("<script>") && text.includes("=cmd|"), "hostile names are shown as they are");
  check(!text.includes("\u202e"), "what turns the direction of text is shown as its code");
  const ran = await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "globalThis.pwned = true";
    document.body.append(script);
    return globalThis.pwned ?? null;
  });
  same(ran, null, "the policy lets a script run that is not the page's");
  // That attempt is reported by the browser, as it should be.
  const reported = wrong.findIndex((words) => words.includes("Content Security Policy"));
  check(reported >= 0, "the policy did not speak up");
  if (reported >= 0) wrong.splice(reported, 1);
  await close();
}

{ // A thousand windows.
  const start = Date.now();
  const { page, close } = await open(large);
  const rows = page.locator("#windows .sortable tbody tr");
  same(await rows.count(), 1000, "windows of the large report");
  await page.locator("#windows .tools input").fill("user-0777");
  await page.waitForFunction(() => document.querySelectorAll("#windows .sortable tbody tr:not([hidden])").length === 1);
  await page.locator("#windows .sortable thead button", { hasText: "Duration" }).click();
  const took = Date.now() - start;
  check(took < 15_000, `a thousand windows took ${took} ms to open, filter and sort`);
  console.log(`a thousand windows: ${took} ms to open, filter and sort`);
  await close();
}

await browser.close();
finish();
