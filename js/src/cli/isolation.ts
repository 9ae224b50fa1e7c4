// What keeps a stronger isolation from working on this machine, and what to do about it.
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import type { IsolationLevel } from "shoreline/local";

/** Sentences about what is missing for `bubblewrap`; none where that is in force. */
export function isolationAdvice(level: IsolationLevel): string[] {
  if (level === "bubblewrap" || process.platform !== "linux") return [];
  const advice = [];
  if (!onPath("bwrap"))
    advice.push("install bubblewrap (`apt install bubblewrap`, `dnf install bubblewrap`)");
  if (setting("kernel/apparmor_restrict_unprivileged_userns") === "1")
    advice.push(
      "AppArmor forbids user namespaces: allow them to /usr/bin/bwrap by a profile with `userns,`, or run `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`",
    );
  if (setting("kernel/unprivileged_userns_clone") === "0")
    advice.push("user namespaces are off: run `sudo sysctl -w kernel.unprivileged_userns_clone=1`");
  if (setting("user/max_user_namespaces") === "0")
    advice.push("user namespaces are off: run `sudo sysctl -w user.max_user_namespaces=10000`");
  if (inContainer())
    advice.push(
      "in a container: start it with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN`, or with a profile that allows `unshare`, `mount` and `pivot_root`",
    );
  if (level === "none")
    advice.push("or use Linux 6.12 or later, where the level `landlock` needs nothing else");
  return advice;
}

function onPath(name: string): boolean {
  const directories = (process.env.PATH ?? "").split(delimiter);
  return directories.some((directory) => directory !== "" && existsSync(join(directory, name)));
}

function setting(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name}`, "utf8").trim();
  } catch {
    // Not every kernel has every setting.
    return undefined;
  }
}

function inContainer(): boolean {
  return existsSync("/.dockerenv") || existsSync("/run/.containerenv");
}
