/**
 * A console for sandboxes, as a part of a web page: their state, processes with live output, terminals, files.
 *
 * @module shoreline/console
 */

import { h, render } from "preact";
import type { ClientOptions } from "../index.js";
import { App } from "./app.js";
import { discardAll } from "./files/directory.js";
import { Model } from "./model.js";
import { placeOf } from "./place.js";
import terminalStyle from "@xterm/xterm/css/xterm.css";
import ansiStyle from "./ansi.css";
import baseStyle from "./base.css";
import frameStyle from "./frame.css";
import phoneStyle from "./phone.css";
import viewStyle from "./views.css";

/** Options of a console beside those of a client. */
export interface ConsoleOptions extends ClientOptions {
  /** Where it begins: an address that `onPlace` was given, such as `/my-env/processes/42`. */
  place?: string;
  /**
   * Called with the address and the title of each place that is looked at, for example for the page's own address, so
   * that a reload and a link lead there.
   */
  onPlace?: (address: string, title: string) => void;
}

/** A console that is on a page. */
export interface MountedConsole {
  /** Gives it the keyboard, whose single keys are shortcuts there. */
  focus(): void;
  /** Goes to a place. `address` is one that `onPlace` was given; another string changes nothing. */
  goTo(address: string): void;
  /** Takes it off the page and ends its connections. Processes and terminals go on. Further calls change nothing. */
  close(): void;
}

/**
 * Puts a console into an element, which it fills; give that a height. What it shows is in a shadow root, so that
 * the page's style and its own leave each other alone; `--shoreline-font` and `--shoreline-mono` are the fonts.
 *
 * ```ts
 * const shown = mountConsole(element, { apiUrl, apiKey: () => fetch("/token").then((answer) => answer.text()) });
 * ```
 *
 * A page should not have the API key: `apiKey` is best a function that fetches a short-lived token.
 *
 * @throws {TypeError} The element's shadow root has content, for example another console.
 */
export function mountConsole(
  element: HTMLElement,
  { place, onPlace, ...options }: ConsoleOptions = {},
): MountedConsole {
  const root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
  if (root.childNodes.length > 0)
    throw new TypeError("the element has content in its shadow root: use another");
  root.adoptedStyleSheets = [terminalStyle, baseStyle, frameStyle, viewStyle, phoneStyle, ansiStyle].map(
    (text) => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(text);
      return sheet;
    },
  );
  const model = new Model(options, place === undefined ? undefined : placeOf(place), onPlace);
  render(h(App, { model }), root);
  model.start();
  return {
    focus: () => {
      root.querySelector<HTMLElement>(".app")?.focus();
    },
    goTo: (address) => {
      const to = placeOf(address);
      if (to) model.goTo(to);
    },
    close: () => {
      model.close();
      render(null, root);
      discardAll(model);
    },
  };
}
