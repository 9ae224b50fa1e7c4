// Clicking through the console that `shoreline console` serves, in whatever browser is given.
import { describe } from "node:test";
import { fits } from "./fits.js";
import { files } from "./files.js";
import { inside } from "./inside.js";
import { output } from "./output.js";
import { places } from "./places.js";
import { processes } from "./processes.js";
import { Session } from "./session.js";
import type { Browser } from "./tab.js";
import { terminals } from "./terminals.js";
import { whole } from "./whole.js";

export function clicks(launch: () => Promise<Browser>): void {
  describe("the console", () => {
    const session = new Session(launch);
    whole(session);
    output(session);
    processes(session);
    places(session);
    inside(session);
    terminals(session);
    files(session);
    fits(session);
  });
}
