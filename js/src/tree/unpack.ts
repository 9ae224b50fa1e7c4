// The bytes of an archive to entries. The archive is a sandbox's: everything in it may be wrong.
import { isWellFormed, pathWithin, PERMISSIONS, type ReadTreeEntry } from "./entries.js";
import {
  BLOCK,
  type EntryType,
  padded,
  parseHeader,
  parseRecords,
  type RawHeader,
  refusal,
  untilZero,
} from "./format.js";

/** How an archive is taken. */
export interface UnpackOptions {
  /** The most bytes that the archive may have. */
  maxBytes?: number | undefined;
  /** Told of what cannot be kept and why, which is left out unless this throws. */
  onSkip: (path: string, why: string) => void;
}

/** The longest names, and records about one entry. Linux's paths have 4096 bytes. */
const LONGEST = 64 * 1024;
/** How many headers about one entry may come before its own. */
const EXTRAS = 8;
/** The last moment of a Date. */
const LAST_SECOND = 8_640_000_000_000;

const TYPES: Record<string, EntryType | undefined> = {
  "0": "file",
  "7": "file",
  "1": "link",
  "2": "symlink",
  "5": "directory",
};
const SPECIAL: Record<string, string | undefined> = {
  "3": "a character device",
  "4": "a block device",
  "6": "a FIFO",
};

/** The entries of an archive. The content of each is read before the next one is asked for, or left out. */
export async function* unpack(
  chunks: AsyncIterable<Uint8Array>,
  { maxBytes = Infinity, onSkip }: UnpackOptions,
): AsyncGenerator<ReadTreeEntry, void> {
  const input = new Input(chunks, maxBytes);
  try {
    yield* entriesOf(input, onSkip);
  } finally {
    await input.close();
  }
}

async function* entriesOf(
  input: Input,
  onSkip: UnpackOptions["onSkip"],
): AsyncGenerator<ReadTreeEntry, void> {
  for (let raw = await nextHeader(input); raw; raw = await nextHeader(input)) {
    const type = typeOf(raw);
    const size = type === "file" ? raw.size : 0;
    const path = textOf(raw.name);
    const target = textOf(raw.target);
    const shown = path ?? new TextDecoder().decode(raw.name);
    const plain = pathWithin(shown);
    const special = SPECIAL[raw.flag];
    let left = size;
    if (plain === undefined) throw refusal(`${JSON.stringify(shown)} leads out of it`);
    if (special) onSkip(plain, `is ${special}`);
    else if (type === undefined) throw refusal(`${plain} is of a kind that is unknown here`);
    else if (path === undefined) onSkip(plain, "has a name that is not UTF-8");
    else if (target === undefined) onSkip(plain, "is a link to a name that is not UTF-8");
    else {
      const within = type === "link" ? pathWithin(target) : target;
      if (within === undefined || (type === "symlink" && target === ""))
        throw refusal(`${plain} links to a file outside of it`);
      const content = (async function* () {
        while (left > 0) {
          const piece = await input.some(left);
          left -= piece.length;
          yield piece;
        }
      })();
      yield {
        path: plain,
        type,
        mode: raw.mode & PERMISSIONS,
        mtime: new Date(Math.min(raw.mtime, LAST_SECOND) * 1000),
        size,
        content,
        ...(type === "file" || type === "directory" ? {} : { target: within }),
      };
    }
    while (left > 0) left -= (await input.some(left)).length;
    await input.exactly(padded(size) - size);
  }
  await input.drain();
}

/** The next entry's header, with what other headers said of it; undefined at the end. */
async function nextHeader(input: Input): Promise<RawHeader | undefined> {
  const said: Partial<RawHeader> = {};
  for (let extras = 0; extras <= EXTRAS; extras++) {
    const raw = parseHeader(await input.exactly(BLOCK));
    if (!raw) return undefined;
    if (!"LKxg".includes(raw.flag)) return { ...raw, ...said };
    if (raw.size > LONGEST) throw refusal("its archive has a name or a record that is too long");
    const body = (await input.exactly(padded(raw.size))).subarray(0, raw.size);
    if (raw.flag === "L") said.name = untilZero(body);
    else if (raw.flag === "K") said.target = untilZero(body);
    else if (raw.flag === "x") Object.assign(said, recordsOf(body));
  }
  throw refusal("its archive has too many headers for one entry");
}

function recordsOf(body: Uint8Array): Partial<RawHeader> {
  const records = parseRecords(body);
  const [path, target] = [records.get("path"), records.get("linkpath")];
  const number = (name: string) => {
    const bytes = records.get(name);
    if (!bytes) return undefined;
    const value = Number(new TextDecoder().decode(bytes));
    if (!(Math.abs(value) <= Number.MAX_SAFE_INTEGER)) throw refusal(`its archive has no valid ${name}`);
    return Math.max(0, Math.floor(value));
  };
  const [size, mtime] = [number("size"), number("mtime")];
  if ([...records.keys()].some((name) => name.startsWith("GNU.sparse")))
    throw refusal("its archive has a sparse file in a form that is unknown here");
  return {
    ...(path && { name: path }),
    ...(target && { target }),
    ...(size !== undefined && { size }),
    ...(mtime !== undefined && { mtime }),
  };
}

/** Archives from before POSIX tell a directory by its name. */
function typeOf({ flag, name }: RawHeader): EntryType | undefined {
  return flag === "0" && name.at(-1) === 0x2f ? "directory" : TYPES[flag];
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text of UTF-8; undefined for other bytes. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = decoder.decode(bytes);
    return isWellFormed(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

/** The bytes of an archive, as many as are asked for. */
class Input {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk = new Uint8Array();
  #left: number;

  constructor(chunks: AsyncIterable<Uint8Array>, maxBytes: number) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#left = maxBytes;
  }

  /** Some bytes, at most so many. */
  async some(most: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#chunk.length === 0 && !(await this.#more())) throw refusal("its archive ends too early");
    const part = this.#chunk.slice(0, most);
    this.#chunk = this.#chunk.subarray(part.length);
    return part;
  }

  async exactly(length: number): Promise<Uint8Array> {
    if (this.#chunk.length >= length) {
      const part = this.#chunk.subarray(0, length);
      this.#chunk = this.#chunk.subarray(length);
      return part;
    }
    const whole = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const part = await this.some(length - at);
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  /** Reads what follows the archive's end. */
  async drain(): Promise<void> {
    while (await this.#more());
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #more(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done) return false;
    this.#left -= next.value.length;
    if (this.#left < 0) throw refusal("it is larger than `maxBytes`");
    this.#chunk = next.value as Uint8Array<ArrayBuffer>;
    return true;
  }
}
