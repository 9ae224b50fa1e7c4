// Five hundred followers, each attached at a moment of its own while a million lines are written: byte for byte
// what the first one has, which is checked by itself. By plain HTTP, so that nothing is decoded on the way.
import assert from "node:assert/strict";
import { Agent, get, type IncomingMessage } from "node:http";
import { test } from "node:test";
import { Sandbox } from "shoreline";
import { startLocal } from "shoreline/local";
import { Random } from "../faults/random.js";

const [BURSTS, PER_BURST, PER_MOMENT] = [100, 10_000, 5];
/** How many of them stay to the end; the others leave after so many bytes, since all of it would be 37 GB. */
const [STAYING, LEAVING_AFTER] = [0.05, 2_000_000];
const SCRIPT = `i=0; while read go; do seq $((i + 1)) $((i + ${String(PER_BURST)})); i=$((i + ${String(PER_BURST)})); done`;

/** What the first follower has, and where events begin in it. */
class Reference {
  #bytes = Buffer.alloc(1 << 27);
  #length = 0;
  #waiting: (() => void)[] = [];
  places = [{ id: 1, offset: 0 }];

  take(chunk: Buffer): void {
    chunk.copy(this.#bytes, this.#length);
    this.#length += chunk.length;
    const tail = Math.max(0, this.#length - 200);
    const text = this.#bytes.toString("latin1", tail, this.#length);
    const found = [...text.matchAll(/\n\nid: (\d+)\n/g)].at(-1);
    if (found) this.places.push({ id: Number(found[1]), offset: tail + found.index + 2 });
    for (const go of this.#waiting.splice(0)) go();
  }

  get all(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Waits until it has come so far. */
  async reach(enough: () => boolean): Promise<void> {
    while (!enough()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Fails unless the bytes are what comes at an offset, which it may have to wait for. */
  async same(bytes: Buffer, offset: number): Promise<void> {
    await this.reach(() => this.#length >= offset + bytes.length);
    const same = this.#bytes.compare(bytes, 0, bytes.length, offset, offset + bytes.length) === 0;
    assert.ok(same, `at ${String(offset)} something else came`);
  }
}

test(
  "500 followers of a million lines, from any moment on, have the same bytes",
  { timeout: 900_000 },
  async () => {
    await using server = await startLocal();
    await using sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
    const { pid } = await sandbox.startProcess("sh", { args: ["-c", SCRIPT], stdinMode: "pipe" });
    const agent = new Agent({ keepAlive: false });
    const follow = (after: number): Promise<IncomingMessage> =>
      new Promise((resolve, reject) => {
        const address = `${server.url}/s/${sandbox.sandboxId}/api/v1/processes/${String(pid)}/output/follow`;
        const headers = { authorization: `Bearer ${server.apiKey}`, "last-event-id": String(after) };
        get(address, { agent, headers }, resolve).on("error", reject);
      });

    const reference = new Reference();
    const first = await follow(0);
    first.on("data", (chunk: Buffer) => {
      reference.take(chunk);
    });
    const ended = new Promise((resolve) => first.on("end", resolve));

    const random = new Random(Number(process.env.SEED ?? 1));
    const attached = async (place: { id: number; offset: number }, stays: boolean): Promise<void> => {
      let { offset } = place;
      for await (const chunk of await follow(place.id - 1)) {
        await reference.same(chunk as Buffer, offset);
        offset += (chunk as Buffer).length;
        if (!stays && offset - place.offset > LEAVING_AFTER) return;
      }
      await ended;
      assert.equal(offset, reference.all.length, "it ends where the first one ended");
    };
    const followers: Promise<void>[] = [];
    for (let burst = 1; burst <= BURSTS; burst++) {
      const come = reference.places.length - 1;
      for (let one = 0; one < PER_MOMENT; one++) {
        // At the start, near to what is written now, or anywhere between.
        const place = random.pick([0, come, come, random.int(0, come)]);
        followers.push(
          attached(reference.places[place] as { id: number; offset: number }, random.chance(STAYING)),
        );
      }
      await sandbox.writeStdin(pid, "go\n");
      const written = `"${String(burst * PER_BURST)}"`;
      await reference.reach(() => reference.all.subarray(-400).includes(written));
    }
    await sandbox.closeStdin(pid);
    await Promise.all(followers);
    // And one that comes when all is over.
    await attached({ id: 1, offset: 0 }, true);

    let count = 0;
    for (const [, id, line] of reference.all
      .toString("latin1")
      .matchAll(/^id: (\d+)\n[^]*?"line":"(\d+)"/gm)) {
      count++;
      if (Number(id) !== count || Number(line) !== count) assert.fail(`${String(id)}: ${String(line)}`);
    }
    assert.equal(count, BURSTS * PER_BURST);
    assert.match(reference.all.subarray(-50).toString("latin1"), /\n\nevent: eof\ndata: {}\n\n$/);
    agent.destroy();
  },
);
