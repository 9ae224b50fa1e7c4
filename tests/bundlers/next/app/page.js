"use client";
import { createElement, useEffect, useState } from "react";
import { Sandbox } from "shoreline";

async function hello() {
  const sandbox = await Sandbox.create(Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
  const { stdout } = await sandbox.run("echo", { args: ["hello"] });
  await sandbox.terminate();
  return stdout;
}

export default function Page() {
  const [title, setTitle] = useState("waiting");
  useEffect(() => void hello().then(setTitle), []);
  return createElement("title", undefined, title);
}
