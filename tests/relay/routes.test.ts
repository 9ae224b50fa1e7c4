// Which requests match a generated route, which scope they need, and how their path is rebuilt.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ROUTES, targetOf } from "../../js/src/relay/routes.js";

const SCOPES = ["files:read", "files:write", "output", "processes", "terminals"];

test("every generated route is matched by its method and path", () => {
  assert.deepEqual([...new Set(Object.values(ROUTES))].sort(), SCOPES);
  for (const [route, scope] of Object.entries(ROUTES)) {
    const [method = "", pattern = ""] = route.split(" ");
    const path = `/api/v1/${pattern.replaceAll("*", "a%20b")}`;
    const expected = { sandboxId: "box", path, scope, token: undefined };
    assert.deepEqual(targetOf(method, `/relay/box${path}`, "/relay"), expected, route);
    const withToken = targetOf(method, `/relay/box/token/t0k${path}`, "/relay");
    assert.deepEqual(withToken, { ...expected, token: "t0k" }, route);
  }
});

test("reading output needs another scope than starting a process", () => {
  const scopeOf = (method: string, path: string) =>
    targetOf(method, `/relay/box/api/v1/${path}`, "/relay")?.scope;
  assert.equal(scopeOf("POST", "processes/run"), "processes");
  assert.equal(scopeOf("GET", "processes/7/output/follow"), "output");
  assert.equal(scopeOf("GET", "files"), "files:read");
  assert.equal(scopeOf("DELETE", "files"), "files:write");
  assert.equal(scopeOf("GET", "pty/7/ws"), "terminals");
});

test("a request without a route has no target", () => {
  const requests = [
    ["GET", "/relay/box/api/v1/health"],
    ["GET", "/relay/box/api/v1/info"],
    ["GET", "/relay/box/api/v1/tunnels/tcp"],
    ["PATCH", "/relay/box/api/v1/processes/7"],
    ["GET", "/relay/box/api/v1/processes/7/output/follow/more"],
    ["GET", "/relay/box/api/v1/processes/..%2Ffiles"],
    ["GET", "/relay/box/api/v1/processes/%252e%252e"],
    ["GET", "/relay/box/sandboxes"],
    ["GET", "/relay/../api/v1/processes"],
    ["GET", "/other/box/api/v1/processes"],
  ];
  for (const [method = "", path = ""] of requests)
    assert.equal(targetOf(method, path, "/relay"), undefined, `${method} ${path}`);
});
