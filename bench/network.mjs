// `npm run bench:network`: downloads and uploads a gigabyte in a sandbox, over a veth pair directly, and through
// slirp4netns if it is installed. Sandboxes cannot reach this machine's addresses, so the script starts itself again in
// new namespaces, where the other end of the veth pair is "the internet".
import { spawn, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const own = fileURLToPath(import.meta.url);
const root = join(dirname(own), "..");
const binary = join(root, "target", "release", "shoreline-local");
const [OUTSIDE, PORT, BYTES, ROUNDS] = ["198.51.100.1", 80, 1 << 30, 5];

if (process.argv[2] === "internet") internet();
else if (process.env.SHORELINE_BENCH_WORLD) await main();
else {
  if (!existsSync(binary)) {
    console.error("build it first: npm run build");
    process.exit(1);
  }
  const env = { ...process.env, SHORELINE_BENCH_WORLD: "1" };
  const user = process.getuid() === 0 ? [] : ["--user", "--map-root-user"];
  const args = [...user, "--net", "--", process.execPath, own];
  process.exit(spawnSync("unshare", args, { env, stdio: "inherit" }).status ?? 1);
}

/** A TCP server: sends a gigabyte to a client that starts with `d`, and counts the bytes of other clients. */
function internet() {
  const block = Buffer.alloc(1 << 20, "x");
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let received = 0;
    socket.on("error", () => {});
    socket.once("data", (first) => {
      received += first.length;
      if (first[0] === 100) {
        let left = BYTES;
        const send = () => {
          while (left > 0) {
            left -= block.length;
            if (!socket.write(block)) return;
          }
          socket.end();
        };
        socket.on("drain", send);
        return send();
      }
      socket.on("data", (chunk) => (received += chunk.length));
      socket.on("end", () => socket.end(String(received)));
    });
  });
  // The addresses come when the cable is plugged in.
  createInterface(process.stdin).once("line", () => {
    for (const args of [
      ["link", "set", "lo", "up"],
      ["address", "add", `${OUTSIDE}/24`, "dev", "cable1"],
      ["link", "set", "cable1", "up"],
    ])
      ip(...args);
    server.listen(PORT, OUTSIDE, () => console.log("ready"));
  });
  process.stdin.on("end", () => process.exit(0));
  console.log("begun");
}

function ip(...args) {
  const { status } = spawnSync("ip", args, { stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) throw new Error(`ip ${args.join(" ")}`);
}

/** Seconds that a program of Python measures inside. */
function program(way) {
  return `
import socket, time
s = socket.create_connection(("${OUTSIDE}", ${PORT}))
began, count, block = time.monotonic(), 0, bytearray(1 << 20)
if "${way}" == "download":
    s.sendall(b"d")
    while n := s.recv_into(block): count += n
else:
    for i in range(${BYTES >> 20}): s.sendall(block)
    s.shutdown(socket.SHUT_WR)
    count = int(s.recv(100))
assert count == ${BYTES}, count
print("seconds", time.monotonic() - began)`;
}

async function main() {
  const lines = (child) => {
    const reader = createInterface(child.stdout);
    return () => new Promise((resolve) => reader.once("line", resolve));
  };
  const far = spawn("unshare", ["--net", "--", process.execPath, own, "internet"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const told = lines(far);
  await told();
  ip("link", "set", "lo", "up");
  ip("link", "add", "cable0", "type", "veth", "peer", "name", "cable1", "netns", String(far.pid));
  ip("address", "add", "198.51.100.254/24", "dev", "cable0");
  ip("link", "set", "cable0", "up");
  far.stdin.write("plugged in\n");
  await told();

  const server = spawn(binary, ["--port", "0", "--json", "--until-stdin-closes", "--network", "own"], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const { url, apiKey } = JSON.parse(await lines(server)());
  const post = async (path, body) => {
    const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
    const answer = await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    return answer.text();
  };
  const { sandbox_id: id } = JSON.parse(await post("/sandboxes", {}));

  const direct = (way) => spawnSync("python3", ["-c", program(way)], { encoding: "utf8" }).stdout;
  const sandbox = (way) =>
    post(`/s/${id}/api/v1/processes/run`, { command: "/usr/bin/python3", args: ["-c", program(way)] });
  const contenders = { direct, sandbox };
  let slirp;
  if (spawnSync("slirp4netns", ["--version"]).status === 0) {
    const held = spawn("unshare", ["--net", "--", "sh", "-c", "echo begun; exec sleep 1000"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await lines(held)();
    const args = ["--configure", "--mtu=65520", "--disable-host-loopback", "--ready-fd=3"];
    const stack = spawn("slirp4netns", [...args, String(held.pid), "tap0"], {
      stdio: ["ignore", "ignore", "ignore", "pipe"],
    });
    await new Promise((resolve) => stack.stdio[3].once("data", resolve));
    slirp = [held, stack];
    contenders.slirp4netns = (way) => {
      const args = ["--net", "--target", String(held.pid), "--", "python3", "-c", program(way)];
      return spawnSync("nsenter", args, { encoding: "utf8" }).stdout;
    };
  }

  const rows = [];
  for (const way of ["download", "upload"]) {
    const times = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, run] of Object.entries(contenders)) {
        const seconds = /seconds ([\d.]+)/.exec(await run(way))?.[1];
        if (seconds === undefined) throw new Error(`${name}: no ${way}`);
        times[name].push(Number(seconds));
      }
    }
    for (const [name, list] of Object.entries(times)) {
      const median = list.sort((a, b) => a - b)[list.length >> 1];
      const rate = `${((BYTES * 8) / median / 1e9).toFixed(1)} Gbit/s`;
      rows.push([way, name, rate, name === "sandbox" ? "1 Gbit/s or more" : ""]);
      console.log(`${way}, ${name}: ${rate}`);
    }
  }
  server.stdin.end();
  far.stdin.end();
  for (const child of slirp ?? []) child.kill();
  const table = rows.map((row) => `| ${row.join(" | ")} |`).join("\n");
  const text = `# A sandbox's network

\`node bench/network.mjs\`, ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, two cores, 1 GiB by one connection,
the median of ${ROUNDS} rounds in turn. "direct" is the same cable without a sandbox. Both ends run on this machine.

| what | by | measured | wanted |
|---|---|---|---|
${table}
`;
  writeFileSync(join(root, "bench", "NETWORK.md"), text);
}
