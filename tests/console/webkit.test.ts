// Clicking through the console in WebKitGTK, whose engine is Safari's, driven over WebDriver.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../helpers/processes.js";
import { evaluate, goTo, launchWebKit, type WebKit } from "../helpers/webkit.js";
import { clicks } from "./clicks.js";
import type { Page } from "./tab.js";

/** MiniBrowser's windows are wider than a phone. */
const BROWSER = join(process.cwd(), "tests", "helpers", "webkit-window.py");

/** A window: WebDriver sends commands to the one that was chosen last. */
interface Window {
  webkit: WebKit;
  handle: string;
  /** The chosen window of the browser, which its windows have in common. */
  chosen: { handle: string };
}

clicks(() => {
  const folder = mkdtempSync(join(tmpdir(), "shoreline-saved-"));
  const windows = new Map<Page, Window>();
  return Promise.resolve({
    name: "webkit",
    newPage: async (beside) => {
      const shared = beside && windows.get(beside);
      const window = await (shared ? opened(shared) : launched(folder));
      // What is beside another page ends with its browser.
      const made = pageOf(window, folder, () => (shared ? Promise.resolve() : window.webkit.close()));
      await made.resize(1200, 760);
      windows.set(made, window);
      return made;
    },
    close: () => {
      rmSync(folder, { recursive: true, force: true });
      return Promise.resolve();
    },
  });
});

async function launched(folder: string): Promise<Window> {
  const webkit = await launchWebKit({ binary: BROWSER, args: [folder] });
  const handle = (await webkit.command("GET", "/window")) as string;
  return { webkit, handle, chosen: { handle } };
}

async function opened({ webkit, chosen }: Window): Promise<Window> {
  const { handle } = (await webkit.command("POST", "/window/new", { type: "window" })) as { handle: string };
  return { webkit, handle, chosen };
}

function pageOf({ webkit, handle, chosen }: Window, folder: string, close: () => Promise<void>): Page {
  const command: WebKit["command"] = async (method, path, body) => {
    if (chosen.handle !== handle) await webkit.command("POST", "/window", { handle });
    chosen.handle = handle;
    return webkit.command(method, path, body);
  };
  const perform = (type: string, actions: object[]) =>
    command("POST", "/actions", { actions: [{ type, id: type, actions }] }).then(() => undefined);
  const keys = (...actions: [type: "keyDown" | "keyUp", key: string][]) =>
    perform(
      "key",
      actions.map(([type, key]) => ({ type, value: KEYS[key] ?? key })),
    );
  const pressed = (key: string): [type: "keyDown" | "keyUp", key: string][] => [
    ["keyDown", key],
    ["keyUp", key],
  ];
  let at = { x: 0, y: 0 };
  const thrown: string[] = [];
  const collect = async () => {
    thrown.push(
      ...(await evaluate(
        command,
        () => (globalThis as { thrownHere?: string[] }).thrownHere?.splice(0) ?? [],
        undefined,
      )),
    );
  };
  const move = (x: number, y: number) => {
    at = { x: Math.round(x), y: Math.round(y) };
    return { type: "pointerMove", duration: 0, ...at };
  };
  return {
    goto: (url) => goTo(command, url),
    reload: async () => {
      await collect();
      await command("POST", "/refresh");
    },
    front: () => evaluate(command, () => undefined, undefined),
    url: async () => (await command("GET", "/url")) as string,
    close,
    evaluate: (work, given) => evaluate(command, work, given),
    execute: (script) => command("POST", "/execute/sync", { script, args: [] }),
    mouse: {
      click: (x, y) =>
        perform("pointer", [
          move(x, y),
          { type: "pointerDown", button: 0 },
          { type: "pointerUp", button: 0 },
        ]),
      move: (x, y) => perform("pointer", [move(x, y)]),
    },
    keyboard: {
      type: (text) => keys(...Array.from(text).flatMap(pressed)),
      press: (key) => keys(...pressed(key)),
      down: (key) => keys(["keyDown", key]),
      up: (key) => keys(["keyUp", key]),
    },
    wheel: (deltaY) => perform("wheel", [{ type: "scroll", ...at, deltaX: 0, deltaY }]),
    resize: (width, height) => command("POST", "/window/rect", { width, height }),
    screenshot: async (path) => {
      await writeFile(path, Buffer.from((await command("GET", "/screenshot")) as string, "base64"));
    },
    saved: async (work) => {
      const before = new Set(readdirSync(folder));
      await work();
      let name: string | undefined;
      await eventually("a file is saved", () => {
        name = readdirSync(folder).find((each) => !before.has(each) && !each.endsWith(".wkdownload"));
        return name !== undefined && statSync(join(folder, name)).size > 0;
      });
      return readFileSync(join(folder, name ?? ""));
    },
    thrown: async () => {
      await collect();
      return thrown;
    },
  };
}

/** The keys that are no characters, as WebDriver writes them (section 17.4.2). */
const KEYS: Record<string, string> = {
  "\n": "\ue006",
  Enter: "\ue006",
  Tab: "\ue004",
  Escape: "\ue00c",
  Shift: "\ue008",
  Control: "\ue009",
  PageUp: "\ue00e",
  End: "\ue010",
  ArrowLeft: "\ue012",
  ArrowUp: "\ue013",
  ArrowDown: "\ue015",
  ArrowRight: "\ue014",
};
