// State directories for the local server that programs share.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, type TestContext } from "node:test";
import { type SharedServer, stateFile } from "shoreline/local";

export const directory = mkdtempSync(join(tmpdir(), "shoreline-shared-"));
after(() => {
  rmSync(directory, { recursive: true });
});

/** What the state file holds. */
export interface State extends SharedServer {
  started?: string;
}
export const state = () => JSON.parse(readFileSync(stateFile(), "utf8")) as State;

/** A state directory for one test, whose server ends with it. */
export function fresh(t: TestContext): string {
  const home = mkdtempSync(join(directory, "state-"));
  process.env.XDG_STATE_HOME = home;
  t.after(() => {
    const folder = join(home, "shoreline");
    for (const name of readable(folder).filter((name) => name.startsWith("local.json"))) {
      try {
        process.kill((JSON.parse(readFileSync(join(folder, name), "utf8")) as State).pid, "SIGKILL");
      } catch {
        // It has ended, or the file is none.
      }
    }
  });
  return dirname(stateFile());
}

/** What is in a directory, if it is there. */
export function readable(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
