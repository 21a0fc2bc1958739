// The portal as people use it, in headless Chromium: set-up, a sensor's registration, its devices, alerts, plans, roles;
// and on every page no word against the content policy, no request to elsewhere, nothing serious for axe-core in light
// and dark, at 1280 and at 390 pixels. One "ok" or "FAILED" line a step; steps build on each other. Run by
// scripts/check-browser, which starts the portal and, once FOLDER/token is there, the sensor.
//
// usage: journeys.mjs FOLDER ADDRESS TOOLS [SCREENSHOTS]
import assert from "node:assert/strict";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, address, tools, screenshots] = process.argv.slice(2);
const required = createRequire(`${tools}/`);
const { chromium } = required("playwright-core");
const axe = readFileSync(required.resolve("axe-core/axe.min.js"), "utf8");
const PASSWORD = "correct horse battery 7";
const PATIENCE = 30_000;
let passed = 0, failed = 0;
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });

// Everything the pages did that they must not do: it is asked for at the end.
const wrongs = [];
async function visitor(options = {}) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true, acceptDownloads: true, viewport: { width: 1280, height: 800 }, colorScheme: "light",
    permissions: ["clipboard-read", "clipboard-write"], ...options,
  });
  await context.addInitScript(() => addEventListener("securitypolicyviolation", (e) => console.error(`POLICY ${e.violatedDirective} ${e.blockedURI}`)));
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on("console", (m) => { if (/POLICY|Content Security Policy/.test(m.text())) wrongs.push(`policy: ${page.url()}: ${m.text()}`); });
  page.on("pageerror", (e) => wrongs.push(`script: ${page.url()}: ${e.message}`));
  page.on("request", (r) => { if (!/^(data|blob):/.test(r.url()) && new URL(r.url()).origin !== address) wrongs.push(`elsewhere: ${r.url()}`); });
  return page;
}

async function step(name, what) {
  const from = Date.now();
  const line = (word) => `${word.padEnd(6)}  ${String(Math.round((Date.now() - from) / 1000)).padStart(4)}s  ${name}`;
  try {
    await what();
    passed += 1;
    console.log(line("ok"));
  } catch (error) {
    failed += 1;
    console.log(`${line("FAILED")}\n        ${String(error.stack).replaceAll("\n", "\n        ")}`);
  }
}

const page = await visitor();
const to = (path) => page.goto(address + path);
const text = async (where = page) => (await where.locator("main").innerText()).replaceAll(/\s+/g, " ");
async function eventually(path, what) {
  const until = Date.now() + PATIENCE;
  for (;;) {
    await to(path);
    const found = await what();
    if (found) return found;
    if (Date.now() > until) throw new Error(`not within ${PATIENCE} ms at ${path}: ${await text()}`);
    await page.waitForTimeout(500);
  }
}
async function saved(locator) {
  const [download] = await Promise.all([page.waitForEvent("download"), locator.click()]);
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}
async function signIn(where, name) {
  await where.goto(`${address}/login`);
  await where.fill("[name=name]", name);
  await where.fill("[name=password]", PASSWORD);
  await where.getByRole("button", { name: "Sign in" }).click();
  await where.waitForSelector("nav[aria-label=Main]");
}

// What axe-core finds on the page as it stands, in both schemes and widths. The page is not loaded anew, so that the page
// which shows a token once is looked at too.
async function look(name, where = page) {
  const bad = [];
  for (const colorScheme of ["light", "dark"]) for (const width of [1280, 390]) {
    await where.emulateMedia({ colorScheme });
    await where.setViewportSize({ width, height: width === 1280 ? 800 : 844 });
    if (screenshots && (colorScheme === "light" ? width === 1280 : ["devices", "alerts"].includes(name) && (width === 390 || name === "devices"))) {
      const suffix = colorScheme === "light" ? "" : width === 390 ? "-phone-dark" : "-dark";
      await where.screenshot({ path: `${screenshots}/${name}${suffix}.png` });
    }
    const results = await where.evaluate(async (source) => {
      // as the policy allows no inline script, the checker comes in by the debugger, not by the page
      if (!window.axe) (0, eval)(source);
      return (await window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] })).violations;
    }, axe).catch((e) => [{ impact: "serious", id: `axe did not run: ${e.message.split("\n")[0]}`, nodes: [] }]);
    for (const one of results.filter((v) => ["serious", "critical"].includes(v.impact))) {
      bad.push(`${name} ${colorScheme} ${width}: ${one.id} ${one.nodes.slice(0, 2).map((n) => n.html.slice(0, 120)).join(" | ")}`);
    }
    const wide = await where.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) bad.push(`${name} ${width}: the page is ${wide} px wider than the window`);
  }
  await where.emulateMedia({ colorScheme: "light" });
  await where.setViewportSize({ width: 1280, height: 800 });
  assert.deepEqual(bad, []);
}

let token = "";
await step("first run leads to the set-up page, which takes the secret and makes an owner", async () => {
  await to("/");
  assert.match(page.url(), /\/setup$/);
  await page.fill("[name=secret]", "not the secret");
  for (const [name, value] of [["name", "olga"], ["password", PASSWORD], ["again", PASSWORD]]) await page.fill(`[name=${name}]`, value);
  await page.locator("form[action='/setup'] button").click();
  await page.waitForSelector("[role=alert]");
  await look("setup");
  await page.fill("[name=secret]", readFileSync(`${folder}/portal/setup-secret`, "utf8").trim());
  for (const [name, value] of [["name", "olga"], ["password", PASSWORD], ["again", PASSWORD]]) await page.fill(`[name=${name}]`, value);
  await page.locator("form[action='/setup'] button").click();
  await page.waitForSelector("nav[aria-label=Main]");
});

await step("signing out and in", async () => {
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL("**/login");
  await look("login");
  await signIn(page, "olga");
});

await step("a sensor is registered: the command is copied, the token shown once", async () => {
  await to("/getting-started");
  await look("getting-started");
  await page.fill("#name", "lobby");
  await page.fill("#subscription", "main");
  await page.getByRole("button", { name: "Register" }).click();
  await page.waitForSelector("#activation-command");
  assert.match(await text(), /Sensor registration successful/);
  token = (await page.locator("#activation-token").innerText()).trim();
  assert.match(token, /^eyot1_[\w-]{40,}$/);
  await page.locator("[data-copy=activation-command]").click();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), new RegExp(`eyot-appliance activate.*${token}`));
});

await step("the seed ISO is downloaded and holds the settings and the token", async () => {
  const { name, bytes } = await saved(page.getByRole("button", { name: "Download seed ISO" }));
  assert.equal(name, "lobby-seed.iso");
  assert.equal(bytes.subarray(32769, 32774).toString(), "CD001");
  assert.ok(bytes.subarray(32768 + 40, 32768 + 72).toString().trim().toLowerCase() === "cidata");
  assert.ok(bytes.includes(token) && bytes.includes("#cloud-config") && bytes.includes("[activation]"));
});

await step("the page with the token, seen once", async () => {
  // a picture shows no token, not even a used-up one
  await page.evaluate(() => { for (const e of document.querySelectorAll("pre code")) e.textContent = e.textContent.replaceAll(/eyot1_[\w-]+/g, "eyot1_EXAMPLE-of-a-token"); });
  await look("registered");
  for (const path of ["/getting-started", "/sensors"]) {
    await to(path);
    assert.ok(!(await page.content()).includes(token));
  }
});

await step("the activated eyot-sensor shows as connected", async () => {
  assert.match(await text(), /Waiting|not activated|never/i);
  writeFileSync(`${folder}/token.new`, token, { mode: 0o600 });
  renameSync(`${folder}/token.new`, `${folder}/token`);
  await eventually("/sensors", async () => /\b(ago|now)\b/.test(await page.locator("tbody tr").innerText()) && !/never/.test(await page.locator("tbody tr").innerText()));
});

await step("its devices fill the inventory", async () => {
  await eventually("/devices", async () => {
    const found = await text();
    return /C2960X-24PS/.test(found) && /M404dn/.test(found) && /P3245-V/.test(found) && (await page.locator("tbody tr").count()) === 10;
  });
  await look("devices");
  await to("/sensors");
  await look("sensors");
  await page.locator("tbody th a").click();
  await look("sensor");
});

await step("search and filter; CSV and JSON of what is filtered", async () => {
  await to("/devices");
  await page.selectOption("#type", "voip_phone");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForURL(/type=voip_phone/);
  assert.equal(await page.locator("tbody tr").count(), 2);
  const csv = (await saved(page.getByRole("link", { name: "CSV" }))).bytes.toString().trim().split("\r\n");
  assert.equal(csv.length, 3);
  assert.ok(csv.slice(1).every((line) => line.includes("voip_phone")) && csv.join().includes("T46S"));
  const json = JSON.parse((await saved(page.getByRole("link", { name: "JSON" }))).bytes.toString());
  assert.deepEqual(json.map((d) => d.mac).sort(), ["64:16:7f:5b:20:9c", "80:5e:c0:33:a1:07"]);
  await to("/devices?search=axis");
  assert.equal(await page.locator("tbody tr").count(), 1);
  await page.locator("tbody th a").click();
  assert.match(await text(), /Evidence from/);
  await look("device");
});

await step("whom a device sends to is drawn, and the table leads to the peer's own page", async () => {
  await to("/devices?search=axis");
  await page.locator("tbody th a").click();
  const own = page.url();
  await eventually(`${new URL(own).pathname}/map`, async () => (await page.locator("svg.map line").count()) > 0);
  assert.equal(await page.locator("svg.map line").count(), Math.min(12, await page.locator("tbody tr").count()));
  await look("map");
  await page.locator("tbody th a").first().click();
  await page.waitForURL((url) => /\/devices\/[0-9a-f-]+$/.test(url.pathname) && url.href !== own);
});

await step("lists of vulnerabilities are uploaded, and say what the camera has and how sure that is", async () => {
  await to("/vulnerabilities");
  assert.match(await text(), /No list of vulnerabilities is here yet/);
  // the made-up lists of the portal's tests, about this camera and the versions around its own
  const list = (name) => readFileSync(new URL(`../../portal/tests/fixtures/vulnerabilities/${name}`, import.meta.url), "utf8")
    .replaceAll("p1435", "p3245-v").replaceAll("9.80.1", "10.12.200").replaceAll("9.80.55", "10.12.130");
  for (const [name, type] of [["nvd.json", "application/json"], ["kev.csv", "text/csv"]]) {
    await page.setInputFiles("#file", { name, mimeType: type, buffer: Buffer.from(list(name)) });
    await Promise.all([page.waitForEvent("domcontentloaded"), page.getByRole("button", { name: "Upload" }).click()]);
  }
  const rows = page.locator("tbody tr");
  assert.match(await rows.first().innerText(), /CVE-2099-1001[\s\S]*Critical[\s\S]*Exploited[\s\S]*Exact version/);
  await look("vulnerabilities");
  await rows.first().locator("th a").click();
  await page.waitForURL("**/vulnerabilities/CVE-2099-1001");
  assert.match(await text(), /10\.12\.114 is listed: before 10\.12\.200/);
  await look("vulnerability");
  await page.locator("tbody td a").first().click();
  await page.waitForURL("**/devices/*");
  assert.match(await text(), /Vulnerabilities \(3\)/);
  await to("/devices?cve=CVE-2099-1001");
  assert.match(await text(), /1 device\b/);
});

await step("one device is edited: the name stays, and the page says who set it", async () => {
  await to("/devices?search=axis");
  await page.locator("tbody th a").click();
  await page.fill("#edit-name", "Front door");
  await page.fill("#edit-tags", "lobby, door");
  await page.selectOption("#edit-importance", "high");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.waitForLoadState();
  const found = await text();
  assert.ok(/Front door/.test(found) && /Set by hand: .*olga/.test(found) && /lobby/.test(found), found);
});

await step("several are chosen and edited at once", async () => {
  await to("/devices?sort=name");
  for (const box of (await page.locator("tbody input[name=id]").all()).slice(0, 3)) await box.check();
  await page.selectOption("#bulk-authorized", "yes");
  await page.fill("#bulk-tags", "floor 1");
  await page.getByRole("button", { name: "Set", exact: true }).click();
  await page.waitForLoadState();
  await to("/devices?tag=floor%201&authorized=yes");
  assert.equal(await page.locator("tbody tr").count(), 3);
});

await step("two devices are merged into one, and the merge is undone", async () => {
  await to("/devices?type=voip_phone");
  for (const box of await page.locator("tbody input[name=id]").all()) await box.check();
  await page.getByRole("button", { name: "Merge…" }).click();
  await page.waitForURL("**/devices/merge?**");
  await look("merge");
  await page.locator("main").getByRole("button", { name: "Merge", exact: true }).click();
  await page.waitForSelector("#merged");
  await look("merged");
  const merged = page.url();
  // the sensor goes on reporting both addresses
  await page.waitForTimeout(3_000);
  await to("/devices");
  assert.match(await text(), /9 devices/);
  await page.goto(merged);
  await page.getByRole("link", { name: "Timeline" }).click();
  await page.waitForURL("**/timeline");
  assert.match(await text(), /Devices merged.*olga/);
  await look("timeline");
  await page.goto(merged);
  await page.getByRole("button", { name: "Undo merge" }).click();
  await page.waitForLoadState();
  await to("/devices?type=voip_phone");
  assert.match(await text(), /2 devices/);
});

await step("devices in groups, and a group alone", async () => {
  await to("/devices");
  await page.selectOption("#group", "class");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForURL(/group=class/);
  assert.ok((await page.locator("tr.group").count()) >= 3);
  await look("groups");
  const chip = page.locator("nav[aria-label='Groups by class'] a").nth(1);
  const count = Number(await chip.locator("strong").innerText());
  await chip.click();
  await page.waitForURL(/in=/);
  assert.equal(await page.locator("tbody input[name=id]").count(), count);
  assert.equal(await page.locator("tr.group").count(), 1);
});

await step("a view is saved for everybody, shown first, exported, and removed", async () => {
  await to("/devices?type=voip_phone&sort=name");
  await page.locator("details.columns summary", { hasText: "Views" }).click();
  await page.fill("#view-name", "Phones");
  await page.locator("input[name=shared]").check();
  await page.locator("form[action='/devices/views'] input[name=first]").check();
  await page.getByRole("button", { name: "Save view" }).click();
  await page.waitForURL(/view=/);
  await to("/devices");
  assert.match(page.url(), /view=/);
  assert.match(await text(), /2 devices/);
  const json = JSON.parse((await saved(page.getByRole("link", { name: "JSON" }))).bytes.toString());
  assert.equal(json.length, 2);
  await page.locator("details.columns summary", { hasText: "Views" }).click();
  await look("views");
  await page.getByRole("button", { name: "Remove Phones" }).click();
  await page.waitForURL(/view=all/);
  await to("/devices");
  assert.match(await text(), /10 devices/);
});

await step("columns are chosen and stay chosen", async () => {
  await to("/devices");
  await page.getByText("Edit columns").click();
  await page.locator("input[name=column][value=firmware]").uncheck();
  await page.locator("details.columns").getByRole("button", { name: "Save" }).click();
  await page.waitForLoadState();
  await to("/devices");
  const headings = (await page.locator("thead th").allInnerTexts()).join();
  assert.ok(!/Firmware/i.test(headings) && /Vendor/i.test(headings), headings);
});

await step("an alert is closed with a note", async () => {
  await eventually("/alerts", async () => (await page.locator("tbody tr").count()) > 1);
  await look("alerts");
  await page.locator("tbody th a").first().click();
  const at = page.url();
  await page.selectOption("#status", "closed");
  await page.fill("#note", "looked at, harmless");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForLoadState();
  await page.goto(at);
  const facts = await page.locator("dl.facts").innerText();
  assert.ok(/Closed/.test(facts) && /looked at, harmless/.test(facts) && /olga/.test(facts), facts);
  await look("alert");
});

await step("an alert is suppressed, hidden, and found again", async () => {
  await to("/alerts");
  const before = await page.locator("tbody tr").count();
  await page.locator("tbody th a").first().click();
  await page.fill("#reason", "the scanner of the security team");
  await page.getByRole("button", { name: "Suppress" }).click();
  await page.waitForLoadState();
  await to("/alerts/suppressions");
  assert.match(await text(), /the scanner of the security team/);
  await look("suppressions");
  await to("/alerts");
  assert.ok((await page.locator("tbody tr").count()) < before);
  await to("/alerts?suppressed=yes&status=any");
  assert.ok((await page.locator("tbody tr").count()) > 0);
});

await step("recommendations, threat lists", async () => {
  await to("/recommendations");
  assert.match(await text(), /Recommendations/);
  await look("recommendations");
  await to("/threats");
  await look("threats");
});

await step("a plan, and what is counted: 10 devices make 100", async () => {
  await to("/plans");
  await page.fill("#subscription", "main");
  await page.selectOption("#kind", "monthly");
  await page.fill("#devices", "100");
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.waitForLoadState();
  const counted = await eventually("/plans", async () => { const t = await text(); return /Monthly/i.test(t) && t; });
  assert.match(counted, /Counted 10 Committed devices 100/);
  await look("plans");
});

await step("the audit log names who did what", async () => {
  await to("/audit");
  assert.match(await text(), /olga/);
  await look("audit");
});

await step("a security reader sees no control that changes, and is refused by page and by API", async () => {
  const reader = await visitor();
  await signIn(reader, "rita");
  for (const path of ["/getting-started", "/sensors", "/devices", "/alerts", "/alerts/suppressions", "/recommendations", "/vulnerabilities", "/threats", "/plans", "/audit"]) {
    assert.equal((await reader.goto(address + path)).status(), 200, path);
    const forms = await reader.locator("main form[method=post]").evaluateAll((all) => all
      .filter((f) => f.querySelector("button")).map((f) => f.getAttribute("action")));
    // what an account likes to see is its own affair
    assert.deepEqual(forms.filter((f) => !["/devices/columns", "/devices/views", "/devices/views/change"].includes(f)), [], path);
  }
  const headers = { origin: address };
  const sensors = await (await reader.request.get(`${address}/api/v1/sensors`)).json();
  const id = (sensors.sensors ?? sensors)[0].id;
  const form = { name: "x", subscription: "main", zone: "x", kind: "trial", devices: "", id, status: "closed", reason: "x", mac: "" };
  for (const path of ["/getting-started", `/sensors/${id}/edit`, `/sensors/${id}/activation`, `/sensors/${id}/delete`, "/alerts/work", "/alerts/suppressions", "/plans", "/plans/cancel", "/devices/change", "/devices/merge"]) {
    assert.equal((await reader.request.post(address + path, { form, headers })).status(), 403, path);
  }
  assert.equal((await reader.request.post(`${address}/api/v1/sensors`, { data: { name: "x", subscription: "main" }, headers })).status(), 403);
  assert.equal((await reader.request.delete(`${address}/api/v1/sensors/${id}`, { headers })).status(), 403);
  assert.equal((await reader.request.post(`${address}/api/v1/plans`, { data: { subscription: "main", kind: "trial" }, headers })).status(), 403);
  assert.equal((await (await reader.request.get(`${address}/api/v1/sensors`)).json()).length ?? 1, sensors.length ?? 1);
});

await step("no violation of the content policy, no script error, no request to elsewhere", async () => {
  const answer = await to("/devices");
  assert.match(answer.headers()["content-security-policy"] ?? "", /default-src 'none'|default-src 'self'/);
  // the check itself sees a violation when there is one
  const before = wrongs.length;
  await page.evaluate(() => { const s = document.createElement("script"); s.textContent = "window.ran = true"; document.body.append(s); });
  await page.waitForTimeout(300);
  assert.ok(wrongs.length > before, "a violation made on purpose was not seen");
  assert.ok(!(await page.evaluate(() => window.ran)));
  assert.deepEqual(wrongs.slice(0, before), []);
});

await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
