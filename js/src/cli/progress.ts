// The progress of a copy, in one line on a terminal.
import stringWidth from "string-width";
import type { TreeProgress } from "shoreline";
import { amount, clean } from "./print.js";

/** The time between two drawings of the line, ms. */
const DRAWN = 100;
/** A rate says little before, ms. */
const SETTLED = 500;

export class ProgressLine {
  readonly #name: string;
  readonly #began = performance.now();
  #drawn = -DRAWN;
  #shown = false;

  constructor(name: string) {
    this.#name = clean(name);
  }

  readonly show = ({ files, bytes, share }: TreeProgress): void => {
    const now = performance.now();
    // Colours are another matter: NO_COLOR does not hide it.
    if (!process.stderr.isTTY || process.env.TERM === "dumb" || now - this.#drawn < DRAWN) return;
    this.#drawn = now;
    const elapsed = now - this.#began;
    const parts = [`${files} ${files === 1 ? "file" : "files"}`, amount(bytes)];
    if (elapsed > SETTLED) {
      parts.push(`${amount((bytes / elapsed) * 1000)}/s`);
      if (share !== undefined && share > 0) parts.push(`${duration((elapsed / share) * (1 - share))} left`);
    }
    const percent = share === undefined ? "" : `${String(Math.floor(share * 100)).padStart(3)} % `;
    const rest = `${percent}${parts.join(", ")}`;
    const room = (process.stderr.columns || 80) - stringWidth(rest) - 2;
    const name = stringWidth(this.#name) <= room ? `${this.#name} ` : "";
    process.stderr.write(`\r${name}${rest}\u001b[K`);
    this.#shown = true;
  };

  /** Removes the line. */
  [Symbol.dispose](): void {
    if (this.#shown) process.stderr.write("\r\u001b[K");
  }
}

/** A time for people, for example `1:05`. */
function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const two = (number: number) => String(number).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
