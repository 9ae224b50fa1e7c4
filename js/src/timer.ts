/** The longest delay that `setTimeout` takes, ms; a longer one fires at once. */
const LONGEST = 2 ** 31 - 1;

/** Calls `callback` once after `ms` milliseconds, however many. Returns a function that cancels that. */
export function after(ms: number, callback: () => void): () => void {
  let timer: ReturnType<typeof setTimeout>;
  const wait = (left: number) => {
    const over = () => {
      if (left > LONGEST) wait(left - LONGEST);
      else callback();
    };
    timer = setTimeout(over, Math.min(left, LONGEST));
  };
  wait(ms);
  return () => {
    clearTimeout(timer);
  };
}
