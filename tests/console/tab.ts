// A tab with the console in it, as a person has it: things are found by what they are called, and clicked with
// the mouse where they are seen. What the browsers' drivers have in common is all that is used of them.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../helpers/processes.js";

/** A page as both drivers have it, and what they have each in their own way. */
export interface Page {
  goto: (url: string) => Promise<unknown>;
  reload: () => Promise<unknown>;
  /** Shows it before the other tabs of its window. */
  front: () => Promise<void>;
  url: () => Promise<string>;
  close: () => Promise<void>;
  evaluate: <T, A>(work: (given: A) => T, given: A) => Promise<Awaited<T>>;
  /** Executes a script in the page, which the page's own policy may forbid. */
  execute: (script: string) => Promise<unknown>;
  mouse: { click: (x: number, y: number) => Promise<void>; move: (x: number, y: number) => Promise<void> };
  keyboard: {
    type: (text: string) => Promise<void>;
    press: (key: string) => Promise<void>;
    down: (key: string) => Promise<void>;
    up: (key: string) => Promise<void>;
  };
  wheel: (by: number) => Promise<void>;
  resize: (width: number, height: number) => Promise<unknown>;
  screenshot: (path: string) => Promise<unknown>;
  /** The bytes of the file that the browser saves when `work` is done. */
  saved: (work: () => Promise<void>) => Promise<Buffer>;
  /** The errors that nothing in it caught. */
  thrown: () => Promise<string[]>;
}

export interface Browser {
  name: string;
  /** A page that shares nothing with others, or all that the tabs of a browser share with the one that is given. */
  newPage: (beside?: Page) => Promise<Page>;
  close: () => Promise<void>;
}

type Kind = "button" | "tab" | "field" | "area" | "checkbox";

/** In the page: the middle of a thing that is in sight and that nothing covers. */
function locate({ kind, name }: { kind: Kind; name: string }): { x: number; y: number } | undefined {
  const selectors = {
    button: "button:not([role])",
    tab: "[role=tab]",
    field: "input:not([type=checkbox]), select",
    area: "textarea",
    checkbox: "input[type=checkbox]",
  };
  const root = document.querySelector("#console")?.shadowRoot;
  const called = (element: Element) => {
    const label = element.closest("label")?.textContent;
    const text = element.getAttribute("aria-label") ?? label ?? element.textContent;
    return text.replace(/\s+/g, " ").trim();
  };
  const there = (element: Element) => element.checkVisibility() && element.getBoundingClientRect().width > 0;
  const wanted = [...(root?.querySelectorAll(selectors[kind]) ?? [])].find((element) => {
    const text = called(element);
    return there(element) && (name.endsWith("…") ? text.startsWith(name.slice(0, -1)) : text === name);
  });
  if (!wanted || (wanted as HTMLButtonElement).disabled) return undefined;
  wanted.scrollIntoView({ block: "nearest" });
  const { x, y, width, height } = wanted.getBoundingClientRect();
  const middle = { x: x + width / 2, y: y + height / 2 };
  const hit = root?.elementFromPoint(middle.x, middle.y);
  return hit && (wanted === hit || wanted.contains(hit)) ? middle : undefined;
}

/** Longer texts are pasted. */
const LONG = 40;
let shots = 0;

export class Tab {
  readonly page: Page;
  readonly #browser: string;

  constructor(page: Page, browser: string) {
    this.page = page;
    this.#browser = browser;
  }

  /** Clicks what is called so; a name that ends with … is the beginning of one. */
  async click(kind: Kind, name: string): Promise<void> {
    let at: { x: number; y: number } | undefined;
    await this.eventually(`a ${kind} called ${name}`, async () => {
      const last = at;
      at = await this.page.evaluate(locate, { kind, name });
      // Nobody hits what moves.
      return at !== undefined && at.x === last?.x && at.y === last.y;
    });
    await this.page.mouse.click(at?.x ?? 0, at?.y ?? 0);
  }

  async sees(kind: Kind, name: string): Promise<boolean> {
    return (await this.page.evaluate(locate, { kind, name })) !== undefined;
  }

  /** Writes into a field, instead of what is there. */
  async fill(name: string, text: string): Promise<void> {
    await this.click("field", name);
    await this.page.keyboard.down("Control");
    await this.page.keyboard.press("a");
    await this.page.keyboard.up("Control");
    if (text.length <= LONG) await this.page.keyboard.type(text);
    else await this.#paste(text);
  }

  /** What is written in a field. */
  value(name: string): Promise<string | undefined> {
    return this.page.evaluate((label) => {
      const fields = document.querySelector("#console")?.shadowRoot?.querySelectorAll("input") ?? [];
      return [...fields].find((field) => field.ariaLabel === label)?.value;
    }, name);
  }

  async #paste(text: string): Promise<void> {
    await this.page.evaluate((given) => {
      const field = document.querySelector("#console")?.shadowRoot?.activeElement as HTMLInputElement;
      field.value = given;
      field.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertFromPaste" }));
    }, text);
  }

  /** The texts of what a selector finds that is in the page's layout. */
  texts(selector: string): Promise<string[]> {
    return this.page.evaluate((wanted) => {
      const root = document.querySelector("#console")?.shadowRoot;
      const found = [...(root?.querySelectorAll(wanted) ?? [])].filter((element) =>
        element.checkVisibility(),
      );
      return found.map((element) => element.textContent.replace(/\s+/g, " ").trim());
    }, selector);
  }

  /** Waits until what a selector finds has a text in it. */
  async shows(selector: string, text: string | RegExp): Promise<void> {
    let last: string[] = [];
    const has = (one: string) => (typeof text === "string" ? one.includes(text) : text.test(one));
    await this.eventually(`${String(text)} in ${selector}`, async () => {
      last = await this.texts(selector);
      return last.some(has);
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}; there was ${JSON.stringify(last).slice(0, 2000)}`);
    });
  }

  /**
   * Notes from now on whether what a selector finds has a text in it, however briefly. Returns a function that
   * waits until it had.
   */
  async noting(selector: string, text: string): Promise<() => Promise<void>> {
    const key = `seen ${selector} ${text}`;
    await this.page.evaluate(
      ({ key, selector, text }) => {
        const root = document.querySelector("#console")?.shadowRoot;
        if (!root) throw new Error("the console is not on the page");
        new MutationObserver(() => {
          if (root.querySelector(selector)?.textContent.includes(text))
            (globalThis as Record<string, unknown>)[key] = true;
        }).observe(root, { subtree: true, childList: true, characterData: true });
      },
      { key, selector, text },
    );
    return () =>
      this.eventually(`${text} in ${selector}`, () =>
        this.page.evaluate((given) => (globalThis as Record<string, unknown>)[given] === true, key),
      );
  }

  /** Waits until what is called so has the focus; a name that ends with … is the beginning of one. */
  async focuses(name: string): Promise<void> {
    await this.eventually(`${name} has the focus`, async () => {
      const now = await this.focused();
      return name.endsWith("…") ? now.startsWith(name.slice(0, -1)) : now === name;
    });
  }

  /** What has the focus, by its name. */
  focused(): Promise<string> {
    return this.page.evaluate(() => {
      const element = document.querySelector("#console")?.shadowRoot?.activeElement;
      return element?.getAttribute("aria-label") ?? element?.textContent.trim() ?? "";
    }, undefined);
  }

  /** Waits, and keeps a picture of what was there instead. */
  async eventually(what: string, condition: () => Promise<boolean>): Promise<void> {
    try {
      await eventually(what, condition);
    } catch (error) {
      await this.shot("failed");
      throw error;
    }
  }

  async shot(name: string): Promise<void> {
    const folder = join(process.cwd(), "target", "console", this.#browser);
    mkdirSync(folder, { recursive: true });
    await this.page.screenshot(join(folder, `${String(++shots).padStart(2, "0")}-${name}.png`));
  }

  /** Gives files to the page, as the dialog would that nobody can click in. */
  async choose(files: { name: string; bytes: number[] }[]): Promise<void> {
    await this.page.evaluate((given) => {
      const input = document
        .querySelector("#console")
        ?.shadowRoot?.querySelector<HTMLInputElement>("input[type=file]");
      const transfer = new DataTransfer();
      for (const { name, bytes } of given) transfer.items.add(new File([Uint8Array.from(bytes)], name));
      if (!input) throw new Error("there is no place for files");
      input.files = transfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }, files);
  }

  async noErrors(): Promise<void> {
    assert.deepEqual(await this.page.thrown(), []);
  }
}
