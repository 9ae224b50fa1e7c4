// The sandboxes of the server, and a form for another one.
import { useSignal } from "@preact/signals";
import type { SandboxInfo } from "shoreline";
import { printable } from "../printable.js";
import { isOver, type Model } from "./model.js";
import { ago, Check, Field } from "./parts.js";

export const nameOf = ({ name, sandboxId }: SandboxInfo): string => printable(name ?? sandboxId);

/** A list that is shorter is seen at a glance. */
const FEW = 5;
const ORDERS = {
  newest: (one: SandboxInfo, other: SandboxInfo) =>
    (other.createdAt?.getTime() ?? 0) - (one.createdAt?.getTime() ?? 0),
  name: (one: SandboxInfo, other: SandboxInfo) => nameOf(one).localeCompare(nameOf(other)),
};

export function Sandboxes({ model, onChosen }: { model: Model; onChosen: () => void }) {
  const ended = useSignal(false);
  const wanted = useSignal("");
  const order = useSignal<keyof typeof ORDERS>("newest");
  const all = model.sandboxes.value;
  const words = wanted.value.toLowerCase().split(/\s+/);
  const isWanted = (info: SandboxInfo) => {
    const text = `${nameOf(info)} ${info.sandboxId} ${info.status} ${info.image ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const shown = all
    .filter((info) => (ended.value || !isOver(info) || info.sandboxId === model.selected.value) && isWanted(info))
    .sort(ORDERS[order.value]);
  return (
    <nav id="sandboxes" class="sandboxes" aria-label="Sandboxes">
      <New model={model} onChosen={onChosen} />
      {(all.length > FEW || wanted.value !== "") && (
        <div class="new">
          <Field text={wanted} label="Filter the sandboxes" hint="Filter" code={false} />
          <select
            aria-label="Order"
            value={order.value}
            onChange={(event) => {
              order.value = event.currentTarget.value as keyof typeof ORDERS;
            }}
          >
            <option value="newest">Newest</option>
            <option value="name">Name</option>
          </select>
        </div>
      )}
      <ul>
        {shown.map((info) => (
          <li key={info.sandboxId}>
            <button
              type="button"
              class="item"
              data-key="sandbox"
              aria-current={info.sandboxId === model.selected.value}
              onClick={() => {
                model.select(info.sandboxId);
                onChosen();
              }}
            >
              <span class={`dot ${info.status}`} aria-hidden="true" />
              <strong>{nameOf(info)}</strong>
              <small title={info.createdAt?.toLocaleString()}>
                {printable(info.status)}
                {info.createdAt && ` · ${ago(info.createdAt)}`}
              </small>
            </button>
          </li>
        ))}
      </ul>
      {shown.length === 0 && model.link.value.state === "online" && (
        <p class="empty">{wanted.value === "" ? "No sandbox yet. Make one above." : "No sandbox matches."}</p>
      )}
      {all.some(isOver) && (
        <Check
          on={ended.value}
          label="Show terminated sandboxes"
          onChange={(on) => {
            ended.value = on;
          }}
        />
      )}
    </nav>
  );
}

/** The numbers of a new sandbox that can be given, with what they are in the options. */
const NUMBERS = [
  ["cpus", "CPUs", "any"],
  ["memoryMb", "Memory, MB", "1"],
  ["timeoutSecs", "Time limit, s", "1"],
] as const;

function New({ model, onChosen }: { model: Model; onChosen: () => void }) {
  const name = useSignal("");
  const more = useSignal(false);
  const isolated = useSignal(false);
  const numbers = useSignal<Partial<Record<(typeof NUMBERS)[number][0], number | undefined>>>({});
  const wrong = useSignal<string | undefined>(undefined);
  const make = async () => {
    const wanted = name.value.trim();
    // At once: Enter that is hit twice makes one.
    name.value = "";
    wrong.value = undefined;
    const options = more.value ? { ...numbers.value, ...(isolated.value && { allowInternetAccess: false }) } : {};
    wrong.value = await model.create({ ...options, ...(wanted && { name: wanted }) });
    if (wrong.value === undefined) onChosen();
    else name.value ||= wanted;
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void make();
      }}
    >
      <div class="new">
        <Field
          text={name}
          shortcut="new"
          label="Name of a new sandbox"
          hint="Optional name"
          code={false}
          most={63}
          wrong={wrong.value !== undefined}
        />
        <button
          type="button"
          aria-expanded={more.value}
          aria-label="Options of a new sandbox"
          title="CPU, memory, time limit and network"
          onClick={() => {
            more.value = !more.value;
          }}
        >
          …
        </button>
        <button type="submit" class="primary">
          New
        </button>
      </div>
      {wrong.value !== undefined && (
        <p class="wrong" role="alert">
          {wrong.value}
        </p>
      )}
      {more.value && (
        <div class="options">
          {NUMBERS.map(([key, label, step]) => (
            <label key={key}>
              {label}
              <input
                type="number"
                min="0"
                step={step}
                aria-label={label}
                placeholder="default"
                value={numbers.value[key] ?? ""}
                onInput={(event) => {
                  const { valueAsNumber } = event.currentTarget;
                  const given = Number.isNaN(valueAsNumber) ? undefined : valueAsNumber;
                  numbers.value = { ...numbers.value, [key]: given };
                }}
              />
            </label>
          ))}
          <Check
            on={isolated.value}
            label="No internet access"
            onChange={(on) => {
              isolated.value = on;
            }}
          />
        </div>
      )}
    </form>
  );
}
