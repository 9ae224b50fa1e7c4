// `npm run test:cgroups`: the tests of resource limits where control groups hold, in a virtual machine of Debian's
// kernel, since few machines let their own be written. Emulated in software: it needs no rights on this machine.
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { bubblewrap, virtualMachine } from "./debian.mjs";
import { read, root, run, say, step, StepError, watch } from "./steps.mjs";

const PLACE = join(root, "target", "cgroups");
const KERNEL = join(PLACE, "kernel");
const DISK = join(PLACE, "root");

async function kernel() {
  const outputs = [join("target", "cgroups", "kernel", "boot")];
  await step("cgroups-kernel", { inputs: [], outputs, title: "downloading Debian's kernel" }, async () => {
    const depends = await read("apt-cache", ["depends", "linux-image-cloud-amd64"]);
    const [, name] = /Depends: (linux-image-\S+)/.exec(depends) ?? [];
    if (!name) throw new StepError("Debian has no linux-image-cloud-amd64: run apt-get update");
    rmSync(KERNEL, { recursive: true, force: true });
    mkdirSync(KERNEL, { recursive: true });
    await run("sh", [
      "-c",
      'cd "$1" && apt-get -qq download "$2" && dpkg-deb -x ./*.deb .',
      "sh",
      KERNEL,
      name,
    ]);
  });
  const boot = join(KERNEL, "boot");
  return join(
    boot,
    readdirSync(boot).find((name) => name.startsWith("vmlinuz")),
  );
}

/** Builds the tests and the server, and gives where they are. */
async function programs() {
  const args = ["test", "--locked", "--no-run", "-p", "shoreline-local", "--test", "api"];
  const messages = await read("cargo", [...args, "--message-format=json"]);
  const made = messages.split("\n").filter((line) => line.includes('"executable":"'));
  const at = (kind) =>
    made.map((line) => JSON.parse(line)).find(({ target }) => target.kind[0] === kind).executable;
  return { tests: at("test"), server: at("bin") };
}

/** Puts a program where it is here, without what only a debugger reads, and the libraries that it needs. */
async function put(path, to = path) {
  const place = join(DISK, to);
  mkdirSync(dirname(place), { recursive: true });
  // Instead of a link to busybox.
  rmSync(place, { force: true });
  await run("strip", ["-o", place, path]);
  chmodSync(place, 0o755);
  const needed = await read("ldd", [path]).catch(() => "");
  for (const [library] of needed.matchAll(/\/\S+(?= \()/g)) {
    mkdirSync(join(DISK, dirname(library)), { recursive: true });
    copyFileSync(library, join(DISK, library));
  }
}

const INIT = `#!/bin/sh
# The first root cannot be turned into another, as bubblewrap does.
mount -t tmpfs -o size=80% none /mnt
for name in /*; do
  [ $name = /mnt ] || cp -a $name /mnt
done
exec switch_root /mnt /second
`;

const second = ({ tests }) => `#!/bin/sh
mkdir -p /proc /sys /dev /root
mount -t proc none /proc && mount -t sysfs none /sys && mount -t devtmpfs none /dev
mkdir -p /dev/pts && mount -t devpts none /dev/pts
mount -t cgroup2 none /sys/fs/cgroup
ifconfig lo 127.0.0.1 up
export HOME=/root CI=1 SHORELINE_TEST_CGROUPS=1
${tests} --test-threads=1 limits:: lifecycle::a_suspended suspension::
echo "ended with $?"
poweroff -f
`;

async function disk(programs) {
  rmSync(DISK, { recursive: true, force: true });
  for (const name of ["etc", "mnt", "run", "tmp", "usr/bin", "usr/lib", "usr/lib64", "usr/sbin"])
    mkdirSync(join(DISK, name), { recursive: true });
  for (const name of ["bin", "lib", "lib64", "sbin"]) symlinkSync(join("usr", name), join(DISK, name));
  await put("/bin/busybox", "/usr/bin/busybox");
  for (const name of (await read("/bin/busybox", ["--list"])).trim().split("\n"))
    if (name !== "busybox") symlinkSync("busybox", join(DISK, "usr", "bin", name));
  for (const path of [
    "/usr/bin/bash",
    "/usr/bin/bwrap",
    "/usr/bin/setpriv",
    "/usr/bin/prlimit",
    programs.tests,
    programs.server,
  ])
    await put(path);
  writeFileSync(join(DISK, "etc", "passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  writeFileSync(join(DISK, "init"), INIT, { mode: 0o755 });
  writeFileSync(join(DISK, "second"), second(programs), { mode: 0o755 });
  const file = join(PLACE, "initramfs");
  const pack = 'cd "$1" && find . | cpio --quiet -o -H newc | gzip -1 > "$2"';
  await run("sh", ["-c", pack, "sh", DISK, file]);
  return file;
}

const missing = (await bubblewrap()) ?? (await virtualMachine());
if (missing) throw new StepError(missing);
const image = await kernel();
const initramfs = await disk(await programs());
say("starting the virtual machine");
const machine = ["-m", "2048", "-smp", "2", "-nographic", "-no-reboot", "-nic", "none"];
const line = "console=ttyS0 quiet panic=-1";
const started = ["-kernel", image, "-initrd", initramfs, "-append", line];
const { output } = await watch("timeout", ["600", "qemu-system-x86_64", ...machine, ...started]);
process.exitCode = /^ended with 0\r?$/m.test(output) ? 0 : 1;
say(process.exitCode ? "limits by control groups: FAILED" : "limits by control groups: ok");
