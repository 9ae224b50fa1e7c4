// Header of the chosen sandbox: its state, details, and buttons that change the state.
import { useSignal } from "@preact/signals";
import type { SandboxInfo } from "shoreline";
import { printable } from "../printable.js";
import { type Inside, isOver, type Model } from "./model.js";
import { Confirm, Copy, lasting } from "./parts.js";
import { nameOf } from "./sandboxes.js";

export function About({ model, info, inside }: { model: Model; info: SandboxInfo; inside: Inside | undefined }) {
  const details = useSignal(false);
  return (
    <>
      <header class="about">
        <h2>{nameOf(info)}</h2>
        <span class={`status ${info.status}`} role="status">
          {printable(info.status)}
        </span>
        {info.name && info.status === "running" && (
          <button
            type="button"
            disabled={!inside}
            onClick={() => {
              if (inside) void model.suspend(inside.sandbox);
            }}
          >
            Suspend
          </button>
        )}
        {info.status === "suspended" && (
          <button type="button" class="primary" onClick={() => void model.resume(info.sandboxId)}>
            Resume
          </button>
        )}
        {!isOver(info) && (
          <Confirm
            key={info.sandboxId}
            label="Terminate"
            sure="Terminate it for good?"
            onConfirm={() => void model.terminate(info.sandboxId)}
          />
        )}
        <button
          type="button"
          aria-expanded={details.value}
          onClick={() => {
            details.value = !details.value;
          }}
        >
          Details
        </button>
      </header>
      {details.value && <Details info={info} inside={isOver(info) ? undefined : inside} />}
    </>
  );
}

function Details({ info, inside }: { info: SandboxInfo; inside: Inside | undefined }) {
  const { sandboxId, image, resources, enforced, network, exposedPorts, createdAt, timeoutSecs } = info;
  /** A limit of a scope that nothing enforces is only a wish. */
  const limit = (text: string, scope: string | undefined) => (scope === "none" ? `${text} (not enforced)` : text);
  return (
    <dl class="details">
      <div>
        <dt>Id</dt>
        <dd>
          <code>{printable(sandboxId)}</code>
          <Copy of={() => Promise.resolve(new Blob([sandboxId]))} />
        </dd>
      </div>
      {image !== undefined && (
        <div>
          <dt>Image</dt>
          <dd>{printable(image)}</dd>
        </div>
      )}
      {resources && (
        <div>
          <dt>Resources</dt>
          <dd>
            {limit(`${resources.cpus} CPU`, enforced?.cpus)}, {limit(`${resources.memoryMb} MB memory`, enforced?.memory)}
            {resources.diskMb !== undefined && `, ${limit(`${resources.diskMb} MB disk`, enforced?.disk)}`}
          </dd>
        </div>
      )}
      {network && (
        <div>
          <dt>Network</dt>
          <dd>{networkOf(network)}</dd>
        </div>
      )}
      {createdAt && timeoutSecs !== undefined && timeoutSecs > 0 && !isOver(info) && (
        <div>
          <dt>Time limit</dt>
          <dd>{lasting(timeoutSecs * 1000)}</dd>
        </div>
      )}
      {exposedPorts && exposedPorts.length > 0 && (
        <div>
          <dt>Ports</dt>
          <dd>
            {exposedPorts.map((port) => (
              <Port key={port} port={port} inside={inside} />
            ))}
          </dd>
        </div>
      )}
    </dl>
  );
}

function Port({ port, inside }: { port: number; inside: Inside | undefined }) {
  let url: string | undefined;
  try {
    url = inside?.sandbox.urlForPort(port);
  } catch {
    // Behind a relay ports have no addresses.
  }
  return url === undefined ? (
    <span>{port} </span>
  ) : (
    <a href={url} target="_blank" rel="noreferrer">
      {port}
    </a>
  );
}

function networkOf({ allowInternetAccess, allowOut, denyOut }: NonNullable<SandboxInfo["network"]>): string {
  const base = allowInternetAccess ? "internet" : "no internet";
  const rules = [allowOut.length > 0 && `allowed: ${allowOut.join(", ")}`, denyOut.length > 0 && `denied: ${denyOut.join(", ")}`];
  return printable([base, ...rules].filter(Boolean).join("; "));
}
