// The contract suite in another runtime. This side starts the server, and counts what that side runs.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type LocalServer, startLocal } from "shoreline/local";
import { cases } from "../contract/index.js";
import type { Answer, Request } from "./inside/answer.js";

/** A runtime that has loaded the suite. */
export interface Runtime {
  /** What it is, with its version: `Node 22.23.3`. */
  version: string;
  /** The web origin that its requests are of, if any. */
  origin?: string;
  call: (request: Request) => Promise<Answer>;
  close: () => Promise<void>;
}

/** How many cases run at once: most of them wait for the server. */
const CONCURRENCY = 4;

/** Declares a test for every case of the suite. */
export function contractIn(open: () => Promise<Runtime>): void {
  describe("the contract suite", { concurrency: CONCURRENCY }, () => {
    let runtime: Runtime;
    let server: LocalServer;
    let ran = 0;

    const call = async (request: Request) => {
      const { names, error } = await runtime.call(request);
      // Thrown there, and shown as it was shown there.
      if (error !== undefined) throw new Error(error);
      return names;
    };

    before(async () => {
      runtime = await open();
      server = await startLocal({ allowOrigins: runtime.origin === undefined ? [] : [runtime.origin] });
      await call({ prepare: { url: server.url, apiKey: server.apiKey } });
    });
    for (const { name } of cases) {
      test(name, async () => {
        await call({ run: name });
        ran++;
      });
    }

    after(async () => {
      try {
        await checkAll();
      } finally {
        await runtime.close();
        await server.close();
      }
    });

    const checkAll = async () => {
      assert.ok(cases.length > 100, `there are ${cases.length} cases`);
      assert.deepEqual(
        await call({ names: true }),
        cases.map(({ name }) => name),
      );
      // Unless `npm test -- --name` selected some.
      if (!process.execArgv.includes("--test-name-pattern")) assert.equal(ran, cases.length);
      // The README's table is made of this line.
      console.log(`tested in ${runtime.version}`);
    };
  });
}
