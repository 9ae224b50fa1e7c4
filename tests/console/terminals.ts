// What terminals have beyond what programs write: search, names, fonts, pasting, copying, keys of phones.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Sandbox } from "shoreline";
import type { Session } from "./session.js";
import type { Tab } from "./tab.js";

async function terminal(session: Session, t: TestContext, tab: Tab, name: string): Promise<Sandbox> {
  const sandbox = await session.inSandbox(t, tab, name);
  await tab.click("tab", "Terminal");
  await tab.click("button", "New terminal");
  await tab.shows(".hint", "connected");
  await tab.page.keyboard.type("echo $((6 * 7)) is ready\n");
  await tab.shows(".xterm-rows", "42 is ready");
  return sandbox;
}

async function chord(tab: Tab, ...keys: string[]): Promise<void> {
  const last = keys.pop() ?? "";
  for (const key of keys) await tab.page.keyboard.down(key);
  await tab.page.keyboard.press(last);
  for (const key of keys.reverse()) await tab.page.keyboard.up(key);
}

/** Pastes a text where the focus is. */
export const paste = (tab: Tab, text: string) =>
  tab.page.evaluate((given) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", given);
    // Firefox takes no data for a ClipboardEvent.
    const event = new Event("paste", { bubbles: true, cancelable: true, composed: true });
    Object.defineProperty(event, "clipboardData", { value: clipboardData });
    document.querySelector("#console")?.shadowRoot?.activeElement?.dispatchEvent(event);
  }, text);

const gone = (tab: Tab, selector: string) =>
  tab.eventually(`no ${selector}`, async () => (await tab.texts(selector)).length === 0);

export function terminals(session: Session): void {
  session.test("searches a terminal's scrollback", async (t, tab) => {
    await terminal(session, t, tab, "searching");
    await tab.page.keyboard.type("seq -f 'row %.0f;' 1 2000; echo $((7 * 7)) is the end\n");
    await tab.shows(".xterm-rows", "49 is the end");
    await chord(tab, "Control", "Shift", "F");
    await tab.focuses("Search the terminal");
    await tab.page.keyboard.type("ROW 1234;");
    await tab.shows(".count", "1 of 1");
    await tab.shows(".xterm-rows", "row 1234;");
    await tab.fill("Search the terminal", "row 100");
    // The newest is the first: 100 and 1000 to 1009.
    await tab.shows(".count", "11 of 11");
    await tab.shows(".xterm-rows", "row 1009;");
    await tab.page.keyboard.press("Enter");
    await tab.shows(".count", "10 of 11");
    await tab.shot("terminal-matches");
    await tab.click("button", "Next match");
    await tab.shows(".count", "11 of 11");
    await tab.fill("Search the terminal", "nowhere");
    await tab.shows(".count", "No match");
    await tab.page.keyboard.press("Escape");
    await gone(tab, "[role=search]");
    await tab.focuses("Terminal input");
    await tab.page.keyboard.type("echo $((8 * 8)) is typed\n");
    await tab.shows(".xterm-rows", "64 is typed");
  });

  session.test(
    "asks before it pastes several lines, unless the program takes them as one",
    async (t, tab) => {
      const sandbox = await terminal(session, t, tab, "pasting");
      const read = () => sandbox.fs.readFile("typed", "utf8").catch(() => "");
      await tab.page.keyboard.type("sh -c 'echo $((4 * 4)) reads; exec cat > typed'\n");
      await tab.shows(".xterm-rows", "16 reads");
      await paste(tab, "only one line\n");
      await tab.eventually("one line is not asked about", async () => (await read()) === "only one line\n");
      await paste(tab, "first\r\n\u001b]0;x\u0007second\n");
      await tab.shows("[role=alertdialog]", "Paste 2 lines?");
      await tab.shows(".pasted", "first \\u001b]0;x\\u0007second");
      await tab.focuses("Paste");
      await tab.page.keyboard.press("Escape");
      await gone(tab, "[role=alertdialog]");
      await tab.focuses("Terminal input");
      await paste(tab, Array.from({ length: 20 }, (_, i) => `line ${i + 1}`).join("\n"));
      await tab.shows(".pasted", /line 8 … 12 more$/);
      await tab.shot("terminal-paste");
      await tab.page.keyboard.press("Enter");
      await tab.focuses("Terminal input");
      await tab.page.keyboard.type("\n");
      await tab.eventually("they are pasted", async () =>
        /^only one line\nline 1\n.*line 19\nline 20\n$/s.test(await read()),
      );
      await chord(tab, "Control", "c");
      // A program in bracketed paste mode gets all of it as one, but not what would end that.
      const program = 'printf "\\033[?2004h"; echo $((5 * 5)) reads; exec cat > bracketed';
      await tab.page.keyboard.type(`sh -c '${program}'\n`);
      await tab.shows(".xterm-rows", "25 reads");
      await paste(tab, "one\ntwo\u001b[201~\nthree\n");
      await tab.shows("[role=alertdialog]", "Paste 3 lines?");
      await tab.click("button", "Cancel");
      await tab.focuses("Terminal input");
      await paste(tab, "one\ntwo\n");
      await tab.page.keyboard.type("\n");
      await tab.eventually("it is pasted at once", async () =>
        (await sandbox.fs.readFile("bracketed", "utf8").catch(() => "")).includes(
          "\u001b[200~one\ntwo\n\u001b[201~\n",
        ),
      );
      assert.deepEqual(await tab.texts("[role=alertdialog]"), []);
    },
  );

  session.test("names terminals by their titles, as plain text", async (t, tab) => {
    await terminal(session, t, tab, "named");
    const show = (title: string) => `sh -c 'printf "\\033]2;${title}\\007"; exec sleep 1000'\n`;
    await tab.page.keyboard.type(show("<b>left\\342\\200\\256right"));
    await tab.shows(".toolbar .name", "<b>left\\u202eright");
    await tab.page.reload();
    await tab.shows("h2", "named");
    await tab.shows(".toolbar .name", "<b>left\\u202eright");
    await tab.shows(".hint", "connected");
    await tab.focuses("Terminal input");
    await chord(tab, "Control", "c");
    await tab.page.keyboard.type(show("x".repeat(60)));
    await tab.shows(".toolbar .name", /^x{39}…$/);
    await chord(tab, "Control", "c");
    await tab.page.keyboard.type(show(""));
    await tab.shows(".toolbar .name", /^Terminal 1$/);
  });

  session.test("remembers the size of the font, and copies what is selected if wanted", async (t, tab) => {
    const sandbox = await terminal(session, t, tab, "chosen");
    const columns = async () => (await sandbox.listPtys()).find(({ isAlive }) => isAlive)?.cols ?? 0;
    const before = await columns();
    for (let i = 0; i < 5; i++) await tab.click("button", "Larger text");
    await tab.eventually("there are fewer columns", async () => (await columns()) < before);
    const larger = await columns();
    await tab.page.reload();
    await tab.shows("h2", "chosen");
    await tab.shows(".xterm-rows", "42 is ready");
    await tab.shows(".hint", "connected");
    assert.equal(await columns(), larger);
    await tab.click("button", "Smaller text");
    await tab.eventually("there are more columns", async () => (await columns()) > larger);

    const selected = () => tab.page.evaluate(selectWord, "ready");
    assert.deepEqual(await selected(), []);
    await tab.click("checkbox", "copy on selection");
    assert.deepEqual(await selected(), ["ready"]);
  });

  session.test("has keys for phones: Ctrl for the next key, and arrows", async (t, tab) => {
    await tab.page.resize(375, 667);
    await tab.click("button", "☰ Sandboxes");
    const sandbox = await terminal(session, t, tab, "phone");
    await tab.page.keyboard.type("sh -c 'echo $((4 * 4)) runs; exec sleep 1000'; echo not reached\n");
    await tab.shows(".xterm-rows", "16 runs");
    await tab.click("button", "Ctrl");
    await tab.shot("terminal-ctrl");
    await tab.page.keyboard.type("c");
    await tab.page.keyboard.type("echo 2c\n");
    await tab.shows(".xterm-rows", /echo 2c.*2c/);
    await tab.page.keyboard.type("echo 28");
    await tab.click("button", "←");
    await tab.click("button", "←");
    await tab.page.keyboard.type("4");
    await tab.click("button", "→");
    await tab.page.keyboard.type("0\n");
    await tab.shows(".xterm-rows", /echo 4208.*4208/);
    await tab.page.keyboard.type("sh -c 'stty raw -echo; echo $((5 * 5)) reads; exec head -c 6 > keys'\n");
    await tab.shows(".xterm-rows", "25 reads");
    await tab.click("button", "Ctrl");
    await tab.click("button", "→");
    await tab.eventually(
      "Ctrl+→ arrives",
      async () => (await sandbox.fs.readFile("keys", "utf8").catch(() => "")) === "\u001b[1;5C",
    );
  });
}

/** In the page: selects a word of the terminal by a double click, and gives what that copied. */
async function selectWord(word: string): Promise<string[]> {
  const copied: string[] = [];
  navigator.clipboard.writeText = (text) => {
    copied.push(text);
    return Promise.resolve();
  };
  const root = document.querySelector("#console")?.shadowRoot;
  const rows = [...(root?.querySelectorAll(".xterm-rows > div") ?? [])];
  const row = rows.findLast((each) => each.textContent.includes(word));
  const text = document.createTreeWalker(row ?? document, NodeFilter.SHOW_TEXT);
  while (text.nextNode() && !text.currentNode.textContent?.includes(word));
  const range = document.createRange();
  const at = text.currentNode.textContent?.indexOf(word) ?? 0;
  range.setStart(text.currentNode, at);
  range.setEnd(text.currentNode, at + word.length);
  const { x, y, width, height } = range.getBoundingClientRect();
  const click = (type: string, detail: number) =>
    new MouseEvent(type, {
      detail,
      clientX: x + width / 2,
      clientY: y + height / 2,
      bubbles: true,
      composed: true,
      cancelable: true,
    });
  for (const detail of [1, 2]) {
    row?.dispatchEvent(click("mousedown", detail));
    row?.dispatchEvent(click("mouseup", detail));
  }
  await new Promise((resolve) => requestAnimationFrame(resolve));
  return copied;
}
