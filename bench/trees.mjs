// `npm run bench:trees`: `shoreline cp` beside a tar pipe through `shoreline exec`, by turns in one run, and the memory
// that one large file takes.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Sandbox } from "../pkg/entry/node.js";
import { startLocal } from "../pkg/local/index.js";

const pkg = fileURLToPath(new URL("../pkg", import.meta.url));
const cli = `'${process.execPath}' '${join(pkg, "cli", "main.js")}'`;
const FILES = 2000;
const ROUNDS = 9;
const SIZES = { "1 MB": 1e6, "1 GB": 1e9 };

const folder = mkdtempSync(join(tmpdir(), "shoreline-bench-"));
const server = await startLocal();
const { url: apiUrl, apiKey } = server;
const sandbox = await Sandbox.create({ apiUrl, apiKey });
const box = sandbox.sandboxId;

async function shell(line) {
  const env = { ...process.env, TENSORLAKE_API_URL: apiUrl, TENSORLAKE_API_KEY: apiKey };
  const child = spawn("sh", ["-ec", line], { env, stdio: ["ignore", "ignore", "inherit"] });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${line} returned ${code}`);
}

async function timed(work) {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const ms = (numbers) => `${median(numbers).toFixed(0)} ms`;

function makeFiles() {
  for (let i = 0; i < FILES; i++) {
    const parent = join(folder, "tree", String(i % 40));
    mkdirSync(parent, { recursive: true });
    writeFileSync(join(parent, `file-${i}.txt`), "x".repeat(500 + (i % 1000)));
  }
}

const tree = join(folder, "tree");
const ways = {
  in: {
    cp: (round) => `${cli} cp -r '${tree}' ${box}:/tmp/cp-${round}`,
    tar: (round) =>
      `tar -C '${tree}' -c . | ${cli} exec ${box} sh -c 'mkdir /tmp/tar-${round} && tar -C /tmp/tar-${round} -x'`,
  },
  out: {
    cp: (round) => `${cli} cp -r ${box}:/tmp/cp-0 '${folder}/cp-${round}'`,
    tar: (round) =>
      `mkdir '${folder}/tar-${round}'; ${cli} exec ${box} tar -C /tmp/cp-0 -c . | tar -C '${folder}/tar-${round}' -x`,
  },
};

/** The peak memory and the speed of copying one file in a process of its own. */
async function peak(direction, path) {
  const program = `
    import { Sandbox } from ${JSON.stringify(join(pkg, "entry", "node.js"))};
    const sandbox = await Sandbox.connect(${JSON.stringify({ sandboxId: box, apiUrl, apiKey })});
    const began = performance.now();
    await sandbox.${direction}(...${JSON.stringify(path)});
    console.log(JSON.stringify([process.resourceUsage().maxRSS * 1024, performance.now() - began]));`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (data) => (text += data));
  await once(child, "close");
  return JSON.parse(text);
}

async function largeFile(path, bytes) {
  const file = createWriteStream(path);
  const piece = Buffer.alloc(1e6, "shoreline ");
  for (let left = bytes; left > 0; left -= piece.length) if (!file.write(piece)) await once(file, "drain");
  await new Promise((resolve) => file.end(resolve));
}

try {
  makeFiles();
  const rows = {};
  for (const [direction, contenders] of Object.entries(ways)) {
    const times = { cp: [], tar: [] };
    for (let round = 0; round <= ROUNDS; round++)
      for (const [name, line] of Object.entries(contenders)) {
        const took = await timed(() => shell(line(round)));
        // The first one is not timed.
        if (round > 0) times[name].push(took);
      }
    const ratio = median(times.cp.map((time, round) => time / times.tar[round]));
    rows[`${FILES} files, ${direction}`] = {
      cp: ms(times.cp),
      "tar pipe": ms(times.tar),
      ratio: ratio.toFixed(2),
    };
  }
  console.table(rows);
  const memory = {};
  for (const [name, bytes] of Object.entries(SIZES)) {
    const path = join(folder, "large");
    await largeFile(path, bytes);
    for (const [direction, paths] of [
      ["upload", [path, "/tmp/large"]],
      ["download", ["/tmp/large", `${path}-back`]],
    ]) {
      const [rss, took] = await peak(direction, paths);
      memory[`${direction} of ${name}`] = {
        "peak MB": Math.round(rss / 1e6),
        "MB/s": Math.round(bytes / took / 1000),
      };
    }
  }
  console.table(memory);
} finally {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
}
