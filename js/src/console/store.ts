// What a page remembers: for the tab, or for good. Pages may be denied it, and then remember until they are left.
export interface Store {
  get: (key: string) => string | undefined;
  set: (key: string, value: string | undefined) => void;
}

function store(of: () => Storage): Store {
  const held = new Map<string, string>();
  const name = (key: string) => `shoreline-${key}`;
  return {
    get: (key) => {
      try {
        return of().getItem(name(key)) ?? undefined;
      } catch {
        return held.get(key);
      }
    },
    set: (key, value) => {
      try {
        if (value === undefined) of().removeItem(name(key));
        else of().setItem(name(key), value);
      } catch {
        if (value === undefined) held.delete(key);
        else held.set(key, value);
      }
    },
  };
}

export const ofTab: Store = store(() => sessionStorage);
export const ofBrowser: Store = store(() => localStorage);
