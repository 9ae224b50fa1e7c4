// Files that are made, edited, moved and watched.
import assert from "node:assert/strict";
import { readTree } from "shoreline/tree";
import type { Session } from "./session.js";
import type { Tab } from "./tab.js";

/** A PNG of one pixel. */
const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** In the page: drops a directory with a file and an empty directory in it, as a browser describes one. */
function drop(): void {
  const file = new File(["dropped\n"], "note.txt");
  const entry = (name: string, inside?: object[]) => ({
    name,
    isDirectory: inside !== undefined,
    file: (resolve: (file: File) => void) => {
      resolve(file);
    },
    createReader: () => {
      const parts = [inside, []];
      return {
        readEntries: (resolve: (entries: unknown) => void) => {
          resolve(parts.shift());
        },
      };
    },
  });
  const dropped = entry("dropped", [entry("note.txt"), entry("empty", [])]);
  const items = [{ webkitGetAsEntry: () => dropped, getAsFile: () => null }];
  const event = new Event("drop", { bubbles: true, cancelable: true });
  Object.defineProperty(event, "dataTransfer", { value: { items } });
  document.querySelector("#console")?.shadowRoot?.querySelector(".files .list")?.dispatchEvent(event);
}

async function save(tab: Tab): Promise<void> {
  await tab.page.keyboard.down("Control");
  await tab.page.keyboard.press("s");
  await tab.page.keyboard.up("Control");
}

export function files(session: Session): void {
  session.test("makes and edits files, and overwrites no change of others unasked", async (t, tab) => {
    const { fs } = await session.inSandbox(t, tab, "editing");
    await tab.click("tab", "Files");
    await tab.shows(".empty", "The directory is empty");
    await tab.click("button", "New folder");
    await tab.fill("Name of the new folder", "src");
    await tab.page.keyboard.press("Enter");
    await tab.click("button", "src/");
    await tab.click("button", "New file");
    await tab.fill("Name of the new file", "main.py");
    await tab.page.keyboard.press("Enter");
    await tab.shows(".cm-editor", "");
    await tab.focuses("Text of…");
    await tab.page.keyboard.type("print(1)");
    await tab.shows(".detail header code", "●");
    await save(tab);
    await tab.eventually(
      "it is saved",
      async () => (await fs.readFile("src/main.py", "utf8")) === "print(1)",
    );
    await tab.eventually(
      "the mark is gone",
      async () => !(await tab.texts(".detail header code")).join().includes("●"),
    );
    await tab.shot("editor");

    await fs.writeFile("src/main.py", "changed\r\nby another\r\n");
    await tab.page.keyboard.type("#");
    await save(tab);
    await tab.shows("[role=alertdialog]", "The file was changed since it was opened.");
    assert.equal(await fs.readFile("src/main.py", "utf8"), "changed\r\nby another\r\n");
    await tab.click("button", "Discard mine and reload");
    await tab.shows("pre", "changed by another");
    await tab.click("button", "Edit");
    await tab.focuses("Text of…");
    await tab.page.keyboard.type("# ");
    await fs.rm("src/main.py");
    await tab.click("button", "Save");
    await tab.shows("[role=alertdialog]", "The file was deleted since it was opened.");
    await tab.click("button", "Save it again");
    // Line ends stay as they are.
    const edited = "# changed\r\nby another\r\n";
    await tab.eventually("it is there again", async () =>
      fs.readFile("src/main.py", "utf8").then(
        (text) => text === edited,
        () => false,
      ),
    );
    await fs.writeFile("src/other.txt", "other");
    await tab.shows("td", "other.txt");
    await tab.focuses("Text of…");
    // What is not saved is not thrown away by one click.
    await tab.focuses("Text of…");
    await tab.page.keyboard.type("x");
    await tab.shows(".detail header code", "●");
    await tab.click("button", "other.txt");
    await tab.shows("[role=alert]", "main.py has changes that are not saved");
    await tab.shows(".detail header code", "main.py ●");
    await tab.click("button", "← Close");
    await tab.click("button", "Discard the changes?");
    await tab.eventually("it is closed", async () => (await tab.texts(".detail")).length === 0);
    assert.equal(await fs.readFile("src/main.py", "utf8"), edited);
    await tab.click("button", "New file");
    await tab.fill("Name of the new file", "main.py");
    await tab.page.keyboard.press("Enter");
    await tab.shows("[role=alert]", "main.py could not be made: EEXIST");
    assert.equal(await fs.readFile("src/main.py", "utf8"), edited);
  });

  session.test("keeps unsaved changes while another view or sandbox is shown", async (t, tab) => {
    await session.inSandbox(t, tab, "elsewhere");
    const { fs } = await session.inSandbox(t, tab, "drafts");
    await fs.writeFile("note.txt", "saved");
    const isLeftSilently = () =>
      tab.page.evaluate(() => dispatchEvent(new Event("beforeunload", { cancelable: true })), undefined);
    const isUnsaved = async () => {
      await tab.shows(".detail header code", "note.txt ●");
      await tab.shows(".cm-content", "draft saved");
    };
    await tab.click("tab", "Files");
    await tab.click("button", "note.txt");
    await tab.click("button", "Edit");
    await tab.focuses("Text of…");
    assert.equal(await isLeftSilently(), true);
    await tab.page.keyboard.type("draft ");
    await isUnsaved();
    assert.equal(await isLeftSilently(), false);
    for (const view of ["Processes", "Terminal"]) {
      await tab.click("tab", view);
      await tab.eventually("the files are gone", async () => (await tab.texts(".files")).length === 0);
      assert.equal(await isLeftSilently(), false);
      await tab.click("tab", "Files");
      await isUnsaved();
    }
    await tab.click("button", "elsewhere…");
    await tab.shows(".empty", "The directory is empty");
    assert.equal(await isLeftSilently(), false);
    await tab.click("button", "drafts…");
    await isUnsaved();
    // The file that others change meanwhile is not overwritten unasked.
    await fs.writeFile("note.txt", "changed");
    await tab.click("button", "Save");
    await tab.shows("[role=alertdialog]", "The file was changed since it was opened.");
    await tab.click("button", "Overwrite");
    await tab.eventually(
      "it is saved",
      async () => (await fs.readFile("note.txt", "utf8")) === "draft saved",
    );
    await tab.eventually("nothing is asked", isLeftSilently);
    // Undo goes back to before the view was left.
    await tab.focuses("Text of…");
    await tab.page.keyboard.down("Control");
    await tab.page.keyboard.press("z");
    await tab.page.keyboard.up("Control");
    await tab.shows(".cm-content", /^saved$/);
    await tab.click("tab", "Processes");
    await tab.click("tab", "Files");
    await tab.click("button", "← Close");
    await tab.click("button", "Discard the changes?");
    await tab.eventually("it is closed", async () => (await tab.texts(".detail")).length === 0);
    assert.equal(await isLeftSilently(), true);
  });

  session.test("shows changes of others as they happen, and images", async (t, tab) => {
    const sandbox = await session.inSandbox(t, tab, "watching");
    const { fs } = sandbox;
    await tab.click("tab", "Files");
    await tab.shows(".empty", "The directory is empty");
    await sandbox.run("sh", { args: ["-c", "echo one > new.txt; mkdir below"] });
    await tab.shows("td", "new.txt");
    await tab.shows("td", "below/");
    await tab.click("button", "new.txt");
    await tab.shows("pre", "one");
    await fs.appendFile("new.txt", "two\n");
    await tab.shows("pre", "one two");
    await fs.rm("new.txt");
    await tab.eventually("it is gone", async () => !(await tab.sees("button", "new.txt")));
    // The connection breaks, and comes back.
    session.way.cut();
    await fs.writeFile("later.png", Buffer.from(PIXEL, "base64"));
    session.way.mend();
    await tab.click("button", "later.png");
    await tab.eventually("the image is shown", () =>
      tab.page.evaluate(() => {
        const image = document
          .querySelector("#console")
          ?.shadowRoot?.querySelector<HTMLImageElement>("img.image");
        return image?.complete === true && image.naturalWidth === 1;
      }, undefined),
    );
    // A directory that is gone is left.
    await tab.click("button", "below/");
    await fs.rm("below", { recursive: true });
    await tab.shows("td", "later.png");
  });

  session.test(
    "renames, moves, downloads and deletes directories, and takes those that are dropped",
    async (t, tab) => {
      const sandbox = await session.inSandbox(t, tab, "moving");
      const { fs } = sandbox;
      await tab.click("tab", "Files");
      await tab.shows(".empty", "The directory is empty");
      await tab.page.evaluate(drop, undefined);
      await tab.click("button", "dropped/");
      await tab.click("button", "note.txt");
      await tab.shows("pre", "dropped");
      assert.deepEqual((await fs.readdir("dropped")).sort(), ["empty", "note.txt"]);
      await tab.click("button", "Parent directory");
      await tab.shows("td", "dropped/");
      // What is there is not added to unasked.
      await tab.page.evaluate(drop, undefined);
      await tab.shows("[role=alertdialog]", "dropped is there already.");
      await tab.click("button", "Leave");

      await tab.click("button", "Actions for dropped");
      await tab.click("button", "Rename or move");
      await tab.fill("New name or path of dropped", "a b");
      await tab.page.keyboard.press("Enter");
      await tab.shows("td", "a b/");
      await tab.shows(".detail header code", "/a b/note.txt");
      await fs.mkdir("other");
      await tab.click("button", "Actions for a b");
      await tab.shot("actions");
      await tab.click("button", "Rename or move");
      await tab.fill("New name or path of a b", "other");
      await tab.page.keyboard.press("Enter");
      await tab.shows("[role=alert]", "exists already");
      await tab.fill("New name or path of a b", "other/b");
      await tab.click("button", "Rename");
      await tab.eventually("it is moved", () => fs.exists("other/b/note.txt"));
      // The rows have moved up.
      await tab.eventually("it is not listed", async () => !(await tab.sees("button", "a b/")));

      await tab.click("button", "Actions for other");
      const tar = await tab.page.saved(() => tab.click("button", "Download as tar"));
      await fs.writeFile("saved.tar", tar);
      const { stdout } = await sandbox.run("tar", { args: ["-tf", "saved.tar"], check: true });
      assert.match(stdout, /^\.\/b\/note\.txt$/m);
      await tab.click("button", "Delete");
      await tab.click("button", "Delete other and everything in it?");
      await tab.eventually("it is gone", async () => !(await fs.exists("other")));
      await tab.eventually("its file is closed", async () => (await tab.texts(".detail")).length === 0);
      const left = [];
      for await (const { path } of readTree(sandbox, ".")) left.push(path);
      assert.deepEqual(left, [".", "saved.tar"]);
    },
  );
}
